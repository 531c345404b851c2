// SPDX-License-Identifier: Apache-2.0
// Goal: a volume can be made larger while it works, and a crash leaves the old size or the new.
// Method: groups against a map made at the new size; every cut of a recorded growth.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/block_groups.h"
#include "storage/faulty_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/grow");

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kOld = 64 * kMiB, kNew = 300 * kMiB;
constexpr FormatOptions kFormat{.size_bytes = kOld, .log_bytes = 2 * kMiB};

void put_one(Volume& volume, unsigned number) {
  Transaction transaction;
  transaction.put(Tree::meta, Key().u32(number), as_bytes(std::string(300, 'v')));
  const auto lsn = volume.commit(transaction);
  REQUIRE(lsn);
  REQUIRE(volume.sync(*lsn));
}

unsigned count(Volume& volume) {
  unsigned pairs = 0;
  REQUIRE(volume.scan(Tree::meta, {}, {}, [&](Bytes, Bytes) { return ++pairs > 0; }));
  return pairs;
}

// Takes space until there is none; how many blocks.
std::uint64_t fill(Volume& volume) {
  std::uint64_t blocks = 0;
  for (;;) {
    const auto extent = volume.allocate(kExtentBlocksMax);
    if (!extent) return blocks;
    blocks += extent->blocks;
    Transaction transaction;
    transaction.adopt(*extent);
    REQUIRE(volume.commit(transaction));
  }
}

}  // namespace

TEST_CASE("groups that were extended are what they would be at that size, and records stay true") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Rng rng(seed);
  for (int round = 0; round < 60; ++round) {
    const std::uint64_t first = 4 * (1 + rng() % 500);
    const std::uint64_t end = first + 4 * (1 + rng() % 20'000);
    const std::uint64_t later = end + 4 * (rng() % 40'000);
    BlockGroups small(first, end), large(first, later);
    for (int i = 0; i < 50; ++i) {
      const std::uint64_t at = first + rng() % (end - first);
      const Extent run{
          .first = BlockNo{at},
          .blocks = static_cast<std::uint32_t>(std::min<std::uint64_t>(1 + rng() % 300, end - at))};
      if (!small.all(run, false, false)) continue;
      for (BlockGroups* each : {&small, &large}) {
        each->set_busy(run, true);
        each->set_owned(run, true);
      }
    }
    // Recorded before, loaded after.
    BlockGroups loaded(first, later);
    for (const std::uint64_t group : small.take_changed())
      if (const auto record = small.encode(group); !record.none)
        REQUIRE(loaded.decode(group, as_bytes(record.value)));
    small.extend(later);
    REQUIRE(small.group_count() == large.group_count());
    for (const BlockGroups* each : {&small, &loaded}) {
      CHECK(each->free_blocks() == large.free_blocks());
      CHECK(each->free_slots() == large.free_slots());
      for (std::uint64_t b = 0; b < large.group_count() * kGroupBlocks; b += 1 + rng() % 3)
        if (each->busy(b) != large.busy(b) || each->owned(b) != large.owned(b)) FAIL(b);
    }
  }
}

TEST_CASE("a growing volume has its new space at once and keeps it; smaller is refused") {
  set_log_level(Level::warn);
  const TemporaryFile file(kOld);
  std::uint64_t total = 0;
  {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, kFormat));
    auto opened = Volume::open(std::move(*device), {});
    REQUIRE(opened);
    Volume& volume = **opened;
    const std::uint64_t before = volume.space().total;
    const std::uint64_t filled = fill(volume);
    CHECK(volume.reserve(100).error().code == ENOSPC);
    CHECK(volume.grow(kOld / 2).error().code == EINVAL);
    CHECK(volume.grow(kOld));
    CHECK(volume.space().total == before);
    REQUIRE(volume.grow(kNew + 5));
    CHECK(volume.info().size_bytes == kNew);
    total = volume.space().total;
    CHECK(total > before + (kNew - kOld) / kBlockBytes * 9 / 10);
    CHECK(fill(volume) > filled * 3);
    put_one(volume, 1);
    // No close: a crash.
  }
  struct stat facts{};
  REQUIRE(::stat(file.path().c_str(), &facts) == 0);
  CHECK(static_cast<std::uint64_t>(facts.st_size) == kNew);
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  auto volume = Volume::open(std::move(*device), {});
  REQUIRE(volume);
  CHECK((*volume)->space().total == total);
  CHECK((*volume)->space().free < 64);
  CHECK(count(**volume) == 1);
  REQUIRE((*volume)->close());
  CHECK((*volume)->grow(2 * kNew).error().code == ESHUTDOWN);
  set_log_level(Level::info);
}

TEST_CASE("a cut anywhere while it grows leaves the old size or the new one, never damage") {
  set_log_level(Level{3});
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Rng rng(seed);
  MemoryDevice disk(kNew);
  REQUIRE(Volume::format(disk, kFormat));
  auto history = std::make_shared<DeviceHistory>();
  {
    auto opened = Volume::open(std::make_unique<FaultyDevice>(disk.image(), history), {});
    REQUIRE(opened);
    Volume& volume = **opened;
    fill(volume);
    put_one(volume, 0);
    history->note(1);
    REQUIRE(volume.grow(kNew));
    history->note(2);
    for (unsigned i = 1; i <= 8; ++i) {
      // In the new space, and in the log.
      const auto extent = volume.allocate(kExtentBlocksMax);
      REQUIRE(extent);
      Transaction transaction;
      transaction.adopt(*extent);
      REQUIRE(volume.commit(transaction));
      put_one(volume, i);
      history->note(2 + i);
      if (i == 5) REQUIRE(volume.checkpoint());
    }
  }
  const std::vector<DeviceEvent> events = history->take();
  CrashStates states(disk.image(), events);
  unsigned olds = 0, news = 0;
  for (std::size_t cut = 0; cut <= events.size(); ++cut) {
    states.cut_after(cut);
    const std::uint64_t promised = states.newest_note();
    if (promised == 0) continue;
    for (unsigned i = 0; i < 3; ++i) {
      CAPTURE(cut);
      auto opened = Volume::open(std::make_unique<MemoryDevice>(states.state(rng)), {});
      REQUIRE(opened);
      Volume& volume = **opened;
      CHECK_FALSE(volume.read_only());
      const std::uint64_t size = volume.info().size_bytes;
      CHECK((size == kOld || size == kNew));
      if (promised >= 2) CHECK(size == kNew);
      (size == kOld ? olds : news) += 1;
      CHECK(count(volume) + 1 >= promised);
      put_one(volume, 99);
      // The size that came back is one to work with.
      REQUIRE(volume.checkpoint());
      if (size == kNew) REQUIRE(fill(volume) > (kNew - kOld - 20 * kMiB) / kBlockBytes * 9 / 10);
      if (size == kOld) REQUIRE(volume.grow(kNew));
      REQUIRE(volume.close());
    }
  }
  CHECK(olds > 0);
  CHECK(news > 0);
  set_log_level(Level::info);
}

TEST_SUITE_END();
