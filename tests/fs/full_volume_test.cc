// SPDX-License-Identifier: Apache-2.0
// Goal: a volume is full only when it is. Method: a small volume on a file; writes that go on while
// much of what came before is on its way to the disk.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <atomic>
#include <string>

#include "fs/files.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

namespace {
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr Wait kWait = Wait::allowed;
}  // namespace

TEST_CASE("what is being written back does not take its room twice") {
  const TemporaryFile file(96 * kMiB);
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  REQUIRE(Volume::format(**device, {.log_bytes = 16 * kMiB}));
  auto volume = Volume::open(std::move(*device), {});
  REQUIRE(volume);
  REQUIRE(Files::make_root(**volume, 0, 0));
  ContentIndex index;
  auto files = Files::open(**volume, index, {.dirty_bytes_max = 256 * kMiB});
  REQUIRE(files);
  const Caller caller{};
  const auto made = (*files)->create(caller, kRootNode, "f", 0644, O_RDWR, kWait);
  REQUIRE(made);
  const NodeId node = made->entry.node;
  const std::string block(kMiB, 'x');
  const auto write = [&](std::uint64_t at) {
    return (*files)->write(caller, node, 0, at, as_bytes(block), kWait);
  };
  for (unsigned round = 0; round < 8; ++round) {
    CAPTURE(round);
    // Two thirds of what there is, and then the rest while they are written.
    for (std::uint64_t at = 0; at < 40 * kMiB; at += kMiB) REQUIRE(write(at));
    std::atomic<bool> done{false};
    (*files)->fsync(caller, node, 0, false, [&](Result<> result) {
      CHECK(result);
      done = true;
      done.notify_one();
    });
    for (std::uint64_t at = 40 * kMiB; at < 60 * kMiB; at += kMiB) CHECK(write(at));
    done.wait(false);
    SetAttr empty;
    empty.size = true;
    REQUIRE((*files)->setattr(caller, node, empty, kWait));
  }
  (*files)->release(node, 0, O_RDWR);
  (*files)->forget(node, 1);
  REQUIRE((*files)->close());
  files->reset();
  REQUIRE((*volume)->close());
}
