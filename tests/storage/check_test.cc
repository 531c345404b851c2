// SPDX-License-Identifier: Apache-2.0
// Goal: the check finds nothing in a volume that is right, at any moment of its life, and names
// what was broken on purpose in one that is not.
// Method: a volume under random transactions and data, closed or not; then one thing is broken
// on the device, with checksums made to fit where the fault is to lie deeper.
#include "storage/check.h"

#include <doctest/doctest.h>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/extent_edit.h"
#include "storage/file_data.h"
#include "storage/memory_device.h"
#include "storage/page.h"
#include "storage/refcount_format.h"
#include "storage/superblock.h"
#include "tests/storage/shared_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/check");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};

struct QuietLog {
  QuietLog() { set_log_level(Level{3}); }
  ~QuietLog() { set_log_level(Level::info); }
};

std::unique_ptr<Volume> open_on(MemoryDevice& disk) {
  auto volume = Volume::open(std::make_unique<SharedDevice>(disk), {});
  REQUIRE(volume);
  return std::move(*volume);
}

void write_file(Rng& rng, Volume& volume, Ino ino) {
  const std::size_t blocks = 1 + rng() % 24;
  const Buffer data = Buffer::take(blocks * kBlockBytes);
  const std::uint64_t values = rng() % 2 == 0 ? 256 : 2;  // noise, or what can be compressed
  for (std::byte& b : data.bytes()) b = static_cast<std::byte>(rng() % values);
  const std::uint64_t at = rng() % 64;
  const auto written =
      write_file_blocks(volume, at, data.bytes(), {.level = static_cast<int>(rng() % 2)});
  REQUIRE(written);
  REQUIRE(volume.flush_data(FlushSite::file_content));
  ExtentEdit edit(volume, ino, Wait::allowed);
  for (const FileExtent& extent : *written) REQUIRE(edit.put(extent));
  Transaction transaction;
  edit.log(transaction);
  REQUIRE(volume.commit(transaction));
}

void remove_file(Volume& volume, Ino ino) {
  ExtentEdit edit(volume, ino, Wait::allowed);
  REQUIRE(edit.remove(0, kBlocksEnd, 1000));
  Transaction transaction;
  edit.log(transaction);
  if (!transaction.empty()) REQUIRE(volume.commit(transaction, {.freeing = true}));
}

void work(Rng& rng, Volume& volume, unsigned steps) {
  for (unsigned i = 0; i < steps; ++i) {
    const Ino ino{1 + rng() % 20};
    switch (rng() % 8) {
      case 0:
        REQUIRE(volume.checkpoint());
        break;
      case 1:
      case 2:
        write_file(rng, volume, ino);
        break;
      case 3:
        remove_file(volume, ino);
        break;
      default: {
        Transaction mine, unused;
        fill_random(rng, mine, unused, {.keys = 2000, .records_max = 30});
        REQUIRE(volume.commit(mine));
      }
    }
  }
}

std::unique_ptr<CheckReport> check(MemoryDevice& disk, CheckOptions options = {}) {
  auto report = std::make_unique<CheckReport>();
  REQUIRE(check_volume(disk, options, *report));
  return report;
}

// A closed volume with a bit of everything.
MemoryDevice::Image closed_image(unsigned seed) {
  Rng rng(seed);
  MemoryDevice disk(kVolumeBytes);
  REQUIRE(Volume::format(disk, kFormat));
  const auto volume = open_on(disk);
  work(rng, *volume, 120);
  for (std::uint64_t ino = 1; ino <= 8; ++ino) write_file(rng, *volume, Ino{ino});
  REQUIRE(volume->close());
  return disk.image();
}

void flip(MemoryDevice& disk, std::uint64_t byte) {
  const std::uint64_t block = byte / kBlockBytes * kBlockBytes;
  const Buffer buffer = Buffer::take(kBlockBytes);
  REQUIRE(disk.read(block, buffer.bytes()));
  buffer.data()[byte % kBlockBytes] ^= std::byte{0x10};
  REQUIRE(disk.write(block, buffer.bytes()));
}

}  // namespace

TEST_CASE("a volume that is right is clean: empty, open after a crash, closed") {
  const QuietLog quiet;
  for (unsigned seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    CHECK_MESSAGE(check(disk)->clean(), check(disk)->text());
    for (unsigned life = 0; life < 3; ++life) {
      const auto volume = open_on(disk);
      work(rng, *volume, 60);
      write_file(rng, *volume, Ino{99});  // the last step is none that empties the log
      if (life == 1) {
        REQUIRE(volume->close());
      } else {
        REQUIRE(volume->sync(volume->last_lsn()));
      }
      const auto report = check(disk);
      CHECK_MESSAGE(report->findings().empty(), report->text());
      CHECK(report->counts.pages > 0);
      CHECK(report->counts.data_blocks > 0);
      CHECK((report->counts.log_transactions > 0) == (life != 1));
    }
  }
}

TEST_CASE("a count of references that is wrong is named") {
  const QuietLog quiet;
  MemoryDevice disk(closed_image(3));
  {
    const auto volume = open_on(disk);
    const auto extents = file_extents(*volume, Ino{5}, 0, 1000, 10, Wait::allowed);
    REQUIRE(extents);
    REQUIRE(!extents->empty());
    Transaction transaction;
    const RefcountRecord record{.blocks = 1, .count = 7};
    transaction.put(Tree::refcount, refcount_key(extents->front().first), bytes_of(record));
    REQUIRE(volume->commit(transaction));
    REQUIRE(volume->close());
  }
  const auto report = check(disk);
  REQUIRE(report->findings().size() == 1);
  CHECK(report->findings()[0].code == std::string("shared-count"));
}

TEST_CASE("a flipped bit in a page, in data and in a superblock is named") {
  const QuietLog quiet;
  MemoryDevice disk(closed_image(3));
  const Superblock facts = *read_superblock(disk);
  SUBCASE("root page") {
    flip(disk, facts.roots[static_cast<unsigned>(Tree::inode)].page.address * kBlockBytes + 5000);
    CHECK(check(disk)->has("page-checksum"));
  }
  SUBCASE("map of free space") {
    const auto root = facts.roots[static_cast<unsigned>(Tree::free_space)];
    flip(disk, root.page.address * kBlockBytes + 16000);
    const auto report = check(disk);
    REQUIRE(report->has("page-checksum"));
    CHECK(report->findings()[0].repairable);
  }
  SUBCASE("data") {
    std::vector<FileExtent> extents;
    {
      const auto volume = open_on(disk);
      extents = *file_extents(*volume, Ino{1}, 0, 100, 100, Wait::allowed);
      REQUIRE(volume->close());
    }
    flip(disk, static_cast<std::uint64_t>(extents.at(0).first) * kBlockBytes + 17);
    CHECK(check(disk)->has("data-checksum"));
    CHECK(check(disk, {.data = false})->clean());
  }
  SUBCASE("superblock") {
    flip(disk, superblock_offset(1, 0) + 50);
    const auto report = check(disk);
    CHECK(report->has("superblock-copy"));
    CHECK(report->found(Severity::error) == 0);
  }
}

TEST_CASE("space that does not add up is named") {
  const QuietLog quiet;
  MemoryDevice disk(closed_image(5));
  const auto commit = [&](auto change) {
    const auto volume = open_on(disk);
    Transaction transaction;
    change(*volume, transaction);
    REQUIRE(volume->commit(transaction));
    REQUIRE(volume->close());
  };
  const auto first_extent = [](Volume& volume) {
    return (*file_extents(volume, Ino{2}, 0, 100, 1, Wait::allowed)).at(0);
  };
  SUBCASE("adopted by nobody") {
    commit(
        [](Volume& volume, Transaction& transaction) { transaction.adopt(*volume.allocate(3)); });
    CHECK(check(disk)->has("blocks-lost"));
  }
  SUBCASE("freed under a file") {
    commit([&](Volume& volume, Transaction& transaction) {
      transaction.free(first_extent(volume).where());
    });
    CHECK(check(disk)->has("blocks-not-free"));
  }
  SUBCASE("of two files") {
    commit([&](Volume& volume, Transaction& transaction) {
      FileExtent other = first_extent(volume);
      ++other.birth;
      transaction.put(Tree::extent, extent_key(Ino{777}, 0), as_bytes(other.encode()));
    });
    CHECK(check(disk)->has("block-twice"));
  }
  SUBCASE("beyond the end") {
    commit([&](Volume& volume, Transaction& transaction) {
      FileExtent extent = first_extent(volume);
      extent.first = BlockNo{kVolumeBytes / kBlockBytes - 1};
      extent.blocks = 2;
      extent.checks.resize(2);
      transaction.put(Tree::extent, extent_key(Ino{778}, 0), as_bytes(extent.encode()));
    });
    CHECK(check(disk)->has("block-outside"));
  }
  SUBCASE("a record of no kind") {
    commit([](Volume&, Transaction& transaction) {
      transaction.put(Tree::extent, extent_key(Ino{779}, 0), as_bytes("?"));
    });
    CHECK(check(disk)->has("reference"));
  }
}

TEST_SUITE_END();
