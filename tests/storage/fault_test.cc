// SPDX-License-Identifier: Apache-2.0
// Goal: damage is seen and never served; a device that fails ends writing, not the program; a
// full volume says so and can always delete.
// Method: one change to a good image at a time: copies of the superblock, the log torn at every
// sector. Each transfer that fails and each kind of block that is damaged: tests/crash.
#include <doctest/doctest.h>

#include <cstring>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/faulty_device.h"
#include "storage/superblock_format.h"
#include "storage/wal_format.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/faults");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
using Image = MemoryDevice::Image;

struct QuietLog {
  QuietLog() { set_log_level(Level{3}); }
  ~QuietLog() { set_log_level(Level::info); }
};

Image formatted(std::uint64_t bytes = kVolumeBytes) {
  MemoryDevice disk(bytes);
  REQUIRE(Volume::format(disk, kFormat));
  return disk.image();
}

auto open_image(Image image, VolumeOptions options = {}) {
  return Volume::open(std::make_unique<MemoryDevice>(std::move(image)), options);
}

auto open_faulty(const Image& image, std::shared_ptr<DeviceHistory> history,
                 DeviceFaults faults = {}, VolumeOptions options = {}) {
  return Volume::open(std::make_unique<FaultyDevice>(image, std::move(history), faults), options);
}

// The image that all of `events` leave.
Image image_after(Image start, const std::vector<DeviceEvent>& events) {
  for (const DeviceEvent& event : events)
    if (event.kind == DeviceEvent::Kind::write)
      MemoryDevice::write_image(start, event.offset, as_bytes(event.data));
  return start;
}

void put_one(Volume& volume, unsigned number) {
  Transaction transaction;
  transaction.put(Tree::meta, Key().u32(number), as_bytes(std::string(200, 'v')));
  const auto lsn = volume.commit(transaction);
  REQUIRE(lsn);
  REQUIRE(volume.sync(*lsn));
}

std::size_t pairs_in(Volume& volume) {
  std::size_t pairs = 0;
  REQUIRE(volume.scan(Tree::meta, {}, {}, [&](Bytes, Bytes) { return ++pairs > 0; }));
  return pairs;
}

// A volume that was synced after each of `count` transactions and then lost its power.
Image with_log(unsigned count) {
  auto history = std::make_shared<DeviceHistory>();
  const Image start = formatted();
  {
    auto volume = open_faulty(start, history);
    REQUIRE(volume);
    for (unsigned i = 0; i < count; ++i) put_one(**volume, i);
  }
  return image_after(start, history->take());
}

void flip(Image& image, std::uint64_t offset, unsigned bit) {
  const auto& block = image[offset / kBlockBytes];
  std::byte b = block == nullptr ? std::byte{0} : (*block)[offset % kBlockBytes];
  b ^= static_cast<std::byte>(1u << bit);
  MemoryDevice::write_image(image, offset, Bytes(&b, 1));
}

}  // namespace

TEST_CASE("what is no volume, cut short, too new or too small is refused by name") {
  const QuietLog quiet;
  CHECK(open_image(Image(kVolumeBytes / kBlockBytes)).error().code == EMEDIUMTYPE);
  Image image = formatted();
  Image cut(image.begin(), image.begin() + 20'000 / 2);
  CHECK(open_image(cut).error().code == EFBIG);
  MemoryDevice small(kVolumeBytesMin - kBlockBytes);
  CHECK(Volume::format(small, {}).error().code == EINVAL);
  MemoryDevice disk(kVolumeBytes);
  CHECK(Volume::format(disk, {.size_bytes = kVolumeBytes * 2}).error().code == EFBIG);
}

TEST_CASE("any one damaged copy of the superblock is survived, and a whole slot too") {
  const QuietLog quiet;
  const Image image = with_log(3);
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot)
    for (unsigned copy = 0; copy < kSuperblockCopies; ++copy) {
      Image damaged = image;
      flip(damaged, superblock_offset(slot, copy) + 300, 3);
      auto volume = open_image(damaged);
      REQUIRE(volume);
      CHECK(pairs_in(**volume) == 3);
    }
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot) {
    CAPTURE(slot);
    Image damaged = image;
    for (unsigned copy = 0; copy < kSuperblockCopies; ++copy)
      flip(damaged, superblock_offset(slot, copy) + 300, 3);
    // The older slot knows an older mount: its log is no log of it, which must not pass for an
    // empty one.
    auto volume = open_image(damaged);
    REQUIRE(volume);
    CHECK((pairs_in(**volume) == 3 || (*volume)->read_only()));
  }
  Image all = image;
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot)
    for (unsigned copy = 0; copy < kSuperblockCopies; ++copy)
      flip(all, superblock_offset(slot, copy) + 300, 3);
  CHECK(open_image(all).error().code == EUCLEAN);
}

TEST_CASE("a log torn anywhere in its last frame ends before it") {
  const QuietLog quiet;
  auto history = std::make_shared<DeviceHistory>();
  const Image start = formatted();
  {
    auto volume = open_faulty(start, history);
    REQUIRE(volume);
    put_one(**volume, 0);
    Transaction transaction;
    for (unsigned i = 1; i <= 30; ++i)
      transaction.put(Tree::meta, Key().u32(i), as_bytes(std::string(900, 'w')));
    REQUIRE((*volume)->sync(*(*volume)->commit(transaction)));
  }
  std::vector<DeviceEvent> events = history->take();
  while (events.back().kind != DeviceEvent::Kind::write) events.pop_back();
  const DeviceEvent last = events.back();
  events.pop_back();
  REQUIRE(last.data.size() > 20'000);
  const Image before = image_after(start, events);
  for (std::size_t there = 0; there <= last.data.size(); there += 512) {
    CAPTURE(there);
    Image image = before;
    MemoryDevice::write_image(image, last.offset,
                              as_bytes(std::string_view(last.data).substr(0, there)));
    auto volume = open_image(image);
    REQUIRE(volume);
    const std::size_t pairs = pairs_in(**volume);
    // The padding behind the records may be missing.
    CHECK((pairs == 1 || (pairs == 31 && there + kBlockBytes > last.data.size())));
    CHECK_FALSE((*volume)->read_only());
    put_one(**volume, 99);
  }
}

TEST_CASE("a bad frame that a later one knew durable is damage: read-only, not a torn tail") {
  const QuietLog quiet;
  Image image = with_log(6);
  // Frame k of six stands k blocks into the ring; each is one block and knows those before it.
  flip(image, kLogOffset + 2 * kBlockBytes + 100, 1);
  auto volume = open_image(image);
  REQUIRE(volume);
  CHECK((*volume)->read_only());
  CHECK(pairs_in(**volume) == 2);
  Transaction transaction;
  transaction.put(Tree::meta, as_bytes("k"), as_bytes("v"));
  CHECK((*volume)->commit(transaction).error().code == EROFS);
  // The last frame is not known durable by anybody: that is a torn tail.
  Image torn = with_log(6);
  flip(torn, kLogOffset + 5 * kBlockBytes + 100, 1);
  auto other = open_image(torn);
  REQUIRE(other);
  CHECK_FALSE((*other)->read_only());
  CHECK(pairs_in(**other) == 5);
}

TEST_CASE("a read-only volume replays in memory and writes nothing") {
  const Image image = with_log(4);
  auto history = std::make_shared<DeviceHistory>();
  {
    auto volume = open_faulty(image, history, {}, {.read_only = true});
    REQUIRE(volume);
    CHECK(pairs_in(**volume) == 4);
    CHECK((*volume)->read_only());
    Transaction transaction;
    transaction.put(Tree::meta, as_bytes("k"), as_bytes("v"));
    CHECK((*volume)->commit(transaction).error().code == EROFS);
    CHECK((*volume)->close());
  }
  CHECK(history->take().empty());
}

TEST_CASE("a full volume says ENOSPC, can always delete, and then has room again") {
  const QuietLog quiet;
  auto volume = open_image(formatted(), {.cache_bytes = std::size_t{8} << 20});
  REQUIRE(volume);
  const std::uint64_t free_before = (*volume)->space().free;
  CHECK(free_before <= (*volume)->space().total);
  for (unsigned round = 0; round < 3; ++round) {
    CAPTURE(round);
    std::vector<Extent> extents;
    for (;;) {
      const auto extent = (*volume)->allocate(kExtentBlocksMax);
      if (!extent) {
        CHECK(extent.error().code == ENOSPC);
        break;
      }
      Transaction transaction;
      transaction.adopt(*extent);
      transaction.put(Tree::extent, Key().u64(static_cast<std::uint64_t>(extent->first)),
                      Key().u32(extent->blocks));
      // Full of data: metadata still finds its reserve.
      REQUIRE((*volume)->commit(transaction));
      extents.push_back(*extent);
    }
    CHECK((*volume)->space().free < kPageBytes / kBlockBytes * 4);
    CHECK((*volume)->reserve(64).error().code == ENOSPC);
    // Fill the trees too, until they refuse.
    unsigned names = 0;
    for (;; ++names) {
      Transaction transaction;
      transaction.put(Tree::dentry, Key().u32(names), as_bytes(std::string(4000, 'n')));
      const auto lsn = (*volume)->commit(transaction);
      if (lsn) continue;
      CHECK(lsn.error().code == ENOSPC);
      break;
    }
    CHECK(names > 0);
    for (unsigned i = 0; i < names; ++i) {
      Transaction transaction;
      transaction.erase(Tree::dentry, Key().u32(i));
      REQUIRE((*volume)->commit(transaction, {.freeing = true}));
    }
    for (const Extent& extent : extents) {
      Transaction transaction;
      transaction.free(extent);
      transaction.erase(Tree::extent, Key().u64(static_cast<std::uint64_t>(extent.first)));
      REQUIRE((*volume)->commit(transaction, {.freeing = true}));
    }
    REQUIRE((*volume)->checkpoint());
    REQUIRE((*volume)->checkpoint());
    CHECK((*volume)->space().free + 64 > free_before);
  }
  REQUIRE((*volume)->close());
}

TEST_CASE("nothing waits that was told not to") {
  const QuietLog quiet;
  auto history = std::make_shared<DeviceHistory>();
  const Image start = formatted();
  {
    auto volume = open_faulty(start, history);
    REQUIRE(volume);
    for (unsigned i = 0; i < 50; ++i) put_one(**volume, i);
    REQUIRE((*volume)->close());
  }
  auto volume = open_image(image_after(start, history->take()));
  REQUIRE(volume);
  std::string value;
  const Key key = Key().u32(7);
  CHECK((*volume)->get(Tree::meta, key, value, Wait::never).error().code == EAGAIN);
  Transaction transaction;
  transaction.put(Tree::meta, key, as_bytes("new"));
  CHECK((*volume)->commit(transaction, {.wait = Wait::never}).error().code == EAGAIN);
  CHECK_FALSE(transaction.empty());
  REQUIRE((*volume)->get(Tree::meta, key, value));
  CHECK(value.size() == 200);
  REQUIRE((*volume)->commit(transaction, {.wait = Wait::never}));
  REQUIRE((*volume)->get(Tree::meta, key, value, Wait::never));
  CHECK(value == "new");
  const auto visit = [](Bytes, Bytes) { return true; };
  CHECK((*volume)->scan(Tree::inode, {}, {}, visit, Wait::never));
}

TEST_SUITE_END();
