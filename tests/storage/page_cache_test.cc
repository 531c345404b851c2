// SPDX-License-Identifier: Apache-2.0
// Goal: the cache of a volume's tree pages keeps what readers need, across scans and mounts, and
// gives out nothing that does not check. Method: a volume on a file with a small cache; counters
// of misses say what was in memory.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "base/metrics.h"
#include "storage/warm_pages.h"
#include "storage/warm_pages_format.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{128} << 20;
constexpr unsigned kKeys = 40'000;  // some 500 leaves

std::unique_ptr<Volume> open(const TemporaryFile& file, const VolumeOptions& options) {
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  auto volume = Volume::open(std::move(*device), options);
  REQUIRE(volume);
  return std::move(*volume);
}

void fill(const TemporaryFile& file, const VolumeOptions& options) {
  {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, {.log_bytes = std::uint64_t{16} << 20}));
  }
  const auto volume = open(file, options);
  for (unsigned i = 0; i < kKeys; ++i) {
    Transaction transaction;
    transaction.put(Tree::inode, Key().u64(i), as_bytes(std::string(160, 'i')));
    REQUIRE(volume->commit(transaction));
  }
  REQUIRE(volume->close());
}

Result<> get(Volume& volume, unsigned i, Wait wait = Wait::allowed) {
  std::string value;
  return volume.get(Tree::inode, Key().u64(i), value, wait);
}

std::uint64_t misses() {
  return metrics::counter("vexfs_cache_misses_total", "Tree pages not in memory").value();
}

// Keys on 20 leaves that stand apart.
constexpr unsigned kHot = 20;
unsigned hot_key(unsigned i) {
  return i * (kKeys / kHot);
}

}  // namespace

TEST_CASE("reading a whole tree through a small cache leaves hot and upper pages where they are") {
  const TemporaryFile file(kVolumeBytes);
  fill(file, {});
  constexpr std::size_t kCacheBytes = std::size_t{256} * kPageBytes;  // half the leaves
  const auto volume = open(file, {.cache_bytes = kCacheBytes});
  const auto read_hot = [&](unsigned rounds) {
    for (unsigned round = 0; round < rounds; ++round)
      for (unsigned i = 0; i < kHot; ++i) REQUIRE(get(*volume, hot_key(i)));
  };
  read_hot(20);
  std::uint64_t missed = 0, scanned = 0;
  for (unsigned round = 0; round < 5; ++round) {
    const std::uint64_t before_scan = misses();
    unsigned seen = 0;
    REQUIRE(volume->scan(Tree::inode, {}, {}, [&](Bytes, Bytes) { return ++seen > 0; }));
    CHECK(seen == kKeys);
    const std::uint64_t after_scan = misses();
    read_hot(10);
    scanned += after_scan - before_scan;
    missed += misses() - after_scan;
  }
  CHECK(scanned > 5 * 50);  // it did not fit
  // Of 1000 reads of 20 leaves; taking all along would be 100 leaves and what is above them.
  CHECK(missed <= 2 * 5);
}

TEST_CASE("pages that were hot at close are in memory after the next open, without being asked") {
  const TemporaryFile file(kVolumeBytes);
  constexpr std::size_t kCacheBytes = std::size_t{256} * kPageBytes;
  const VolumeOptions options{.cache_bytes = kCacheBytes, .warm_pages = 128};
  fill(file, options);
  {
    const auto volume = open(file, options);
    for (unsigned round = 0; round < 20; ++round)
      for (unsigned i = 0; i < kHot; ++i) REQUIRE(get(*volume, hot_key(i)));
    REQUIRE(volume->close());
  }
  const auto volume = open(file, options);
  const auto all_warm = [&] {
    for (unsigned i = 0; i < kHot; ++i)
      if (!get(*volume, hot_key(i), Wait::never)) return false;
    return true;
  };
  // Never waiting, so what comes, comes by itself; the limit is for a test that fails.
  for (unsigned tries = 0; tries < 1000 && !all_warm(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(all_warm());
}

TEST_CASE("of the list of hot pages only what is still there and checks comes back") {
  const TemporaryFile file(kVolumeBytes);
  const VolumeOptions options{.warm_pages = 64};
  fill(file, options);
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  auto superblock = read_superblock(**device);
  REQUIRE(superblock);
  const std::atomic<bool> go_on{false}, stop{true};
  const auto read = [&](const Superblock& of, const std::atomic<bool>& until) {
    PageCache cache(**device, std::size_t{1024} * kPageBytes);
    const WarmUpCounts counts = read_warm_pages(**device, cache, of, until);
    CHECK(counts.kept == cache.stats().entries);
    return counts;
  };
  const WarmUpCounts whole = read(*superblock, go_on);
  CHECK(whole.listed > 32);
  CHECK(whole.kept == whole.listed);
  CHECK(read(*superblock, stop).read == 0);
  // One page is something else now.
  const Buffer list = Buffer::take(kWarmListBytes), block = Buffer::take(kBlockBytes);
  REQUIRE((*device)->read(kWarmListOffset, list.bytes()));
  PagePointer pointer;
  std::memcpy(&pointer, list.data() + kBlockBytes, sizeof pointer);
  std::memset(block.data(), 'x', block.size());
  REQUIRE((*device)->write((pointer.address + 1) * kBlockBytes, block.bytes()));
  CHECK(read(*superblock, go_on).kept == whole.kept - 1);
  // A list of another checkpoint, of another volume, a rotten one.
  Superblock other = *superblock;
  ++other.generation;
  CHECK(read(other, go_on).listed == 0);
  other = *superblock;
  ++other.id_low;
  CHECK(read(other, go_on).listed == 0);
  list.data()[kBlockBytes + 3] ^= std::byte{1};
  REQUIRE((*device)->write(kWarmListOffset, list.bytes()));
  CHECK(read(*superblock, go_on).listed == 0);
}

TEST_CASE("a smaller budget is kept at once by clean pages") {
  const TemporaryFile file(kVolumeBytes);
  fill(file, {.warm_pages = 4096});
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  const auto superblock = read_superblock(**device);
  REQUIRE(superblock);
  PageCache cache(**device, std::size_t{2048} * kPageBytes);
  const std::atomic<bool> go_on{false};
  REQUIRE(read_warm_pages(**device, cache, *superblock, go_on).kept > 400);
  cache.set_bytes_max(std::size_t{320} * kPageBytes);
  CHECK(cache.stats().entries <= 320);
  CHECK(cache.pages_max() == 320);
  cache.set_bytes_max(0);
  CHECK(cache.pages_max() == 256);
  // Without room, nothing is taken, and nothing goes.
  const std::size_t before = cache.stats().entries;
  CHECK(read_warm_pages(**device, cache, *superblock, go_on).read < 400);
  CHECK(cache.stats().entries >= before);
  CHECK(cache.stats().entries <= 256);
}
