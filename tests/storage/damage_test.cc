// SPDX-License-Identifier: Apache-2.0
// Goal: whatever bytes stand on a device, opening and checking end, with an answer, in bounded
// memory. Method: bits flipped and blocks replaced at random (printed seed) all over a volume;
// then the same to superblocks and root pages with the checksums made to fit, so that what reads
// them must not trust them. The volume is checked, opened, and read where it opens. Run it under
// the address sanitizer too.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"
#include "storage/check.h"
#include "storage/page.h"
#include "storage/superblock.h"
#include "tests/storage/shared_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/damage");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};

struct QuietLog {
  QuietLog() { set_log_level(Level{4}); }
  ~QuietLog() { set_log_level(Level::info); }
};

// With pages of several levels, and transactions in the log.
const MemoryDevice::Image& image() {
  static const MemoryDevice::Image made = [] {
    Rng rng(11);
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    auto volume = Volume::open(std::make_unique<SharedDevice>(disk), {});
    REQUIRE(volume);
    for (unsigned i = 0; i < 500; ++i) {
      Transaction mine, unused;
      fill_random(rng, mine, unused, {.keys = 3000, .records_max = 20});
      REQUIRE((*volume)->commit(mine));
      if (i == 400) REQUIRE((*volume)->checkpoint());
    }
    REQUIRE((*volume)->sync((*volume)->last_lsn()));
    return disk.image();
  }();
  return made;
}

std::vector<std::uint64_t> used_blocks() {
  std::vector<std::uint64_t> used;
  for (std::uint64_t block = 0; block < image().size(); ++block)
    if (image()[block] != nullptr &&
        std::ranges::any_of(*image()[block], [](std::byte b) { return b != std::byte{0}; }))
      used.push_back(block);
  return used;
}

void damage_block(Rng& rng, std::byte* bytes) {
  if (rng() % 2 == 0) {
    for (std::uint64_t flips = 1 + rng() % 3; flips > 0; --flips)
      bytes[rng() % kBlockBytes] ^= static_cast<std::byte>(1U << rng() % 8);
  } else {
    for (std::size_t i = rng() % kBlockBytes; i < kBlockBytes; ++i)
      bytes[i] = static_cast<std::byte>(rng());
  }
}

// Answers, whatever they are; then everything that can be read is.
void look(MemoryDevice& disk) {
  CheckReport report;
  const auto checked = check_volume(disk, {.threads = 1}, report);
  CHECK(report.counts.pages <= kVolumeBytes / kPageBytes);
  const auto volume = Volume::open(std::make_unique<SharedDevice>(disk), {.read_only = true});
  if (volume)
    for (unsigned t = 0; t < kTreeCount; ++t)
      static_cast<void>((*volume)->scan(Tree{static_cast<std::uint8_t>(t)}, {}, {},
                                        [](Bytes, Bytes) { return true; }));
  if (!volume && checked) CHECK(report.problems() > 0);
}

}  // namespace

TEST_CASE("random damage anywhere is an answer") {
  const QuietLog quiet;
  const auto used = used_blocks();
  REQUIRE(used.size() > 100);
  for (unsigned seed = 1; seed <= 120; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    MemoryDevice disk(image());
    for (std::uint64_t places = 1 + rng() % 4; places > 0; --places) {
      const Buffer block = Buffer::take(kBlockBytes);
      const std::uint64_t at = used[rng() % used.size()] * kBlockBytes;
      const std::uint64_t from = rng() % 4 == 0 ? used[rng() % used.size()] * kBlockBytes : at;
      REQUIRE(disk.read(from, block.bytes()));
      if (from == at) damage_block(rng, block.data());
      REQUIRE(disk.write(at, block.bytes()));
    }
    look(disk);
  }
}

TEST_CASE("a root page whose checksum fits is not trusted either") {
  const QuietLog quiet;
  for (unsigned seed = 1; seed <= 120; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    MemoryDevice disk(image());
    Superblock facts = *read_superblock(disk);
    constexpr Tree kTrees[] = {Tree::inode, Tree::dentry, Tree::meta, Tree::free_space};
    TreeRoot& root = facts.roots[static_cast<unsigned>(kTrees[rng() % 4])];
    REQUIRE_FALSE(root.page.none());
    const Buffer page = Buffer::take(kPageBytes);
    REQUIRE(disk.read(root.page.address * kBlockBytes, page.bytes()));
    // Headers and slots are at the front, cells at the end.
    for (std::uint64_t flips = 1 + rng() % 4; flips > 0; --flips) {
      const std::size_t near = rng() % 3 == 0 ? kPageBytes - 1 - rng() % 600 : rng() % 300;
      page.data()[near] ^= static_cast<std::byte>(1U << rng() % 8);
    }
    REQUIRE(disk.write(root.page.address * kBlockBytes, page.bytes()));
    root.page.check = page_check(page.bytes());
    if (rng() % 8 == 0) root.level = static_cast<unsigned>(rng() % kLevelsMax);
    if (rng() % 8 == 0) facts.log_position += kBlockBytes * (rng() % 600);
    REQUIRE(write_superblock(disk, facts, FlushSite::mount));
    look(disk);
  }
}

TEST_SUITE_END();
