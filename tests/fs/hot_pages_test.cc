// SPDX-License-Identifier: Apache-2.0
// Goal: copying a file that is larger than the cache of tree pages takes no hot page away. Method:
// a volume on a file with the smallest cache, more names and inodes than that holds, some of them
// hot; the counter of misses says what was in memory.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <string>

#include "base/metrics.h"
#include "fs/files.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

namespace {

constexpr Wait kWait = Wait::allowed;
constexpr std::size_t kCacheBytes = std::size_t{4} << 20;  // 256 pages
constexpr unsigned kNames = 25'000, kHot = 20;
const Caller kCaller{};

std::uint64_t misses() {
  return metrics::counter("vexfs_cache_misses_total", "Tree pages not in memory").value();
}

std::unique_ptr<Volume> open(const TemporaryFile& file) {
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  auto volume = Volume::open(std::move(*device), {.cache_bytes = kCacheBytes});
  REQUIRE(volume);
  return std::move(*volume);
}

std::unique_ptr<Files> files_of(Volume& volume) {
  static ContentIndex no_index;
  auto files = Files::open(volume, no_index, {.read_ahead_bytes = kCacheBytes});
  REQUIRE(files);
  return std::move(*files);
}

std::string name_of(unsigned i) {
  return "a name that takes some room in its page, number " + std::to_string(i);
}

NodeId make(Files& files, const std::string& name) {
  const auto made = files.create(kCaller, kRootNode, name, 0644, O_RDWR, kWait);
  REQUIRE(made);
  return made->entry.node;
}

void sync(Files& files, NodeId node) {
  std::atomic<int> done{0};
  files.fsync(kCaller, node, 0, false, [&](Result<> result) {
    done = result ? 1 : -1;
    done.notify_one();
  });
  done.wait(0);
  REQUIRE(done == 1);
}

std::uint64_t misses_of_hot(Files& files, unsigned rounds) {
  const std::uint64_t before = misses();
  for (unsigned round = 0; round < rounds; ++round)
    for (unsigned i = 0; i < kHot; ++i) {
      const auto found = files.lookup(kCaller, kRootNode, name_of(i * (kNames / kHot)), kWait);
      REQUIRE(found);
      files.forget(found->node, 1);  // the next one asks the trees again
    }
  return misses() - before;
}

}  // namespace

TEST_CASE("a copy of a file of four times the cache evicts no hot page of a tree") {
  const TemporaryFile file(std::uint64_t{256} << 20);
  {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, {.log_bytes = std::uint64_t{16} << 20}));
  }
  {
    const auto volume = open(file);
    REQUIRE(Files::make_root(*volume, 0, 0));
    const auto files = files_of(*volume);
    for (unsigned i = 0; i < kNames; ++i) {
      const NodeId node = make(*files, name_of(i));
      files->release(node, 0, O_RDWR);
      files->forget(node, 1);
    }
    REQUIRE(files->close());
    REQUIRE(volume->close());
  }
  const auto volume = open(file);
  const auto files = files_of(*volume);
  CHECK(misses_of_hot(*files, 1) > kHot / 2);  // they are on pages of their own, and cold
  misses_of_hot(*files, 20);
  CHECK(misses_of_hot(*files, 10) == 0);

  constexpr std::size_t kStep = std::size_t{1} << 20;
  std::string block(kStep, 'x');
  const NodeId source = make(*files, "source"), copy = make(*files, "copy");
  for (std::size_t at = 0; at < 4 * kCacheBytes; at += kStep)
    REQUIRE(files->write(kCaller, source, 0, at, as_bytes(block), kWait));
  sync(*files, source);
  std::uint64_t missed = 0;
  for (std::size_t at = 0; at < 4 * kCacheBytes; at += kStep) {
    REQUIRE(files->read(kCaller, source, 0, at, std::as_writable_bytes(std::span(block)), kWait) ==
            kStep);
    REQUIRE(files->write(kCaller, copy, 0, at, as_bytes(block), kWait));
    missed += misses_of_hot(*files, 1);
  }
  sync(*files, copy);
  missed += misses_of_hot(*files, 10);
  CHECK(missed == 0);
  for (const NodeId node : {source, copy}) {
    files->release(node, 0, O_RDWR);
    files->forget(node, 1);
  }
  REQUIRE(files->close());
  REQUIRE(volume->close());
}
