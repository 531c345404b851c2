// SPDX-License-Identifier: Apache-2.0
// Goal: reading ahead sees sequences and steps, and never gives out anything but the content of
// now. Method: the pattern alone; then random reads and every change of content that there is (also
// little ones that an fsync logs first, allocated space, shared blocks) beside a plain string.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "fs/read_pattern.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

namespace {

std::uint64_t planned(const ReadPattern::Plan& plan) {
  std::uint64_t blocks = 0;
  for (std::size_t i = 0; i < plan.count; ++i) blocks += plan.ranges[i].blocks;
  return blocks;
}

std::uint64_t used_bytes() {
  return metrics::counter("vexfs_readahead_used_bytes", "Of these, given to a reader").value();
}

constexpr std::size_t kMiB = std::size_t{1} << 20;

struct AheadFixture : FilesFixture {
  AheadFixture() {
    CHECK(files->close());
    options.read_ahead_bytes = 8 * kMiB;
    open();
  }
};

std::string random_text(std::mt19937_64& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; i += 64) text[i] = static_cast<char>(random());
  return text;
}

// One file beside its model.
struct Modelled {
  AheadFixture& on;
  std::mt19937_64 random;
  NodeId node;
  std::string model;
  std::uint64_t at = 0;  // where its sequential reader is

  std::uint64_t place() { return random() % (4 * kMiB); }
  void write_text(std::uint64_t offset, std::size_t bytes) {
    const std::string text = random_text(random, bytes);
    on.write(node, offset, text);
    if (model.size() < offset + bytes) model.resize(offset + bytes);
    model.replace(offset, bytes, text);
  }
  void space(int mode) {
    const std::uint64_t offset = place(), length = 1 + random() % 300'000;
    REQUIRE(on.files->fallocate(on.caller, node, 0, mode, offset, length, kWait));
    if (!(mode & FALLOC_FL_KEEP_SIZE) && model.size() < offset + length)
      model.resize(offset + length);
    if ((mode & ~FALLOC_FL_KEEP_SIZE) == 0 || offset >= model.size()) return;
    const std::size_t end = std::min<std::size_t>(offset + length, model.size());
    std::fill(model.begin() + std::ptrdiff_t(offset), model.begin() + std::ptrdiff_t(end), '\0');
  }
  void copy() {
    const std::uint64_t half = model.size() / 2 / kBlockBytes * kBlockBytes;
    if (half == 0) return;
    const std::uint64_t length = std::min<std::uint64_t>(half, 1 + random() % 300'000);
    const auto copied = on.files->copy_range(on.caller, node, 0, node, half, length, kWait);
    REQUIRE(copied);
    model.replace(half, *copied, model.substr(0, *copied));
  }
  void change(unsigned what) {
    switch (what) {
      case 0:
        return write_text(place(), 1 + random() % 200'000);
      case 1: {
        if (random() % 4 != 0) return;
        const std::uint64_t size = place();
        REQUIRE(on.truncate(node, size));
        return model.resize(size);
      }
      case 2:
        return space(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
      case 3:
        return space(FALLOC_FL_ZERO_RANGE | (random() % 2 ? FALLOC_FL_KEEP_SIZE : 0));
      case 4:
        return space(random() % 8 ? FALLOC_FL_KEEP_SIZE : 0);
      case 5:
        return copy();
      case 6:  // just ahead of the reader, what has been read ahead already, and into the log
        write_text(at + random() % 300'000, 1 + random() % 9000);
        REQUIRE(on.fsync(node));
        return;
      case 7:
        REQUIRE(on.fsync(node));
        return;
      default:
        at = place() / kBlockBytes * kBlockBytes;
    }
  }
  void read_on() {
    if (at >= model.size()) at = 0;
    const std::string got = on.read(node, at, 64 << 10);
    REQUIRE(got == model.substr(at, 64 << 10));
    at += got.size();
  }
};

}  // namespace

TEST_CASE("a sequential reader has what follows read ahead once, in windows that grow to 2 MiB") {
  ReadPattern pattern;
  std::uint64_t read = 0, ahead_to = 0, largest = 0;
  for (; read < 10'000; read += 32) {
    const ReadPattern::Plan plan = pattern.read(read, 32);
    for (std::size_t i = 0; i < plan.count; ++i) {
      CHECK(plan.ranges[i].first >= read + 32);  // never what is being read
      if (ahead_to != 0) CHECK(plan.ranges[i].first == ahead_to);
      ahead_to = plan.ranges[i].first + plan.ranges[i].blocks;
    }
    if (ahead_to != 0) largest = std::max(largest, ahead_to - (read + 32));
    if (read > 32) CHECK(ahead_to >= read + 64);
    CHECK(ahead_to <= read + 32 + 2 * ReadPattern::kWindowMax);
  }
  CHECK(largest >= ReadPattern::kWindowMax);
}

TEST_CASE("reads of one window that overtake each other are still sequential") {
  ReadPattern pattern;
  std::uint64_t ahead = 0;
  for (std::uint64_t at = 0; at < 4000; at += 64) {
    // Two reads of 32 blocks, from the third pair on in the wrong order.
    const bool turned = at > 128;
    ahead += planned(pattern.read(at + (turned ? 32 : 0), 32));
    ahead += planned(pattern.read(at + (turned ? 0 : 32), 32));
  }
  CHECK(ahead > 3000);
}

TEST_CASE("random reads have nothing read ahead") {
  std::mt19937_64 random(5);
  ReadPattern pattern;
  std::uint64_t ahead = 0;
  for (unsigned i = 0; i < 2000; ++i) ahead += planned(pattern.read(random() % 1'000'000, 1));
  CHECK(ahead < 200);
}

TEST_CASE("equal steps in either direction have the next places read ahead, each once") {
  for (const int step : {100, -100, 7, -1}) {
    CAPTURE(step);
    ReadPattern pattern;
    std::vector<std::uint64_t> ahead;
    std::uint64_t at = 50'000;
    unsigned found = 0;
    for (unsigned i = 0; i < 200; ++i, at += static_cast<std::uint64_t>(step)) {
      found += std::ranges::find(ahead, at) != ahead.end();
      const ReadPattern::Plan plan = pattern.read(at, 1);
      for (std::size_t p = 0; p < plan.count; ++p) {
        CHECK(std::ranges::find(ahead, plan.ranges[p].first) == ahead.end());
        ahead.push_back(plan.ranges[p].first);
      }
    }
    CHECK(found >= 190);
  }
}

TEST_CASE_FIXTURE(AheadFixture, "a file read from its beginning to its end is read ahead") {
  std::mt19937_64 random(1);
  const std::string content = random_text(random, 12 * kMiB + 777);
  const NodeId node = file(kRootNode, "f");
  write(node, 0, content);
  REQUIRE(fsync(node));
  const std::uint64_t before = used_bytes();
  std::string got;
  while (got.size() < content.size()) got += read(node, got.size(), 128 << 10);
  CHECK(got == content);
  CHECK(used_bytes() - before > 8 * kMiB);
}

TEST_CASE_FIXTURE(AheadFixture, "whatever changes a file, what was read ahead is never old") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    Modelled one{.on = *this,
                 .random = std::mt19937_64(seed),
                 .node = file(kRootNode, "f" + std::to_string(seed)),
                 .model = {}};
    one.write_text(0, 3 * kMiB);
    REQUIRE(fsync(one.node));
    const std::uint64_t before = used_bytes();
    for (unsigned step = 0; step < 1500; ++step) {
      if (const auto what = static_cast<unsigned>(one.random() % 60); what < 9)
        one.change(what);
      else
        one.read_on();
    }
    CHECK(used_bytes() > before);
  }
}
