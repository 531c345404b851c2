// SPDX-License-Identifier: Apache-2.0
// Goal: what can be asked for together is asked for together, and is the same as one by one.
// Method: a memory device that counts submissions below a volume that has just been opened.
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/file_data.h"
#include "storage/memory_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/batches");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{128} << 20;
constexpr unsigned kKeys = 30'000;

class CountingDevice final : public BlockDevice {
 public:
  struct Counts {
    std::atomic<std::uint64_t> submissions{0}, parts{0};
  };
  CountingDevice(MemoryDevice::Image image, Counts& counts)
      : memory_(std::move(image)), counts_(counts) {}
  std::uint64_t size_bytes() const override { return memory_.size_bytes(); }
  Result<> read(std::span<const DeviceRead> batch) override {
    ++counts_.submissions;
    counts_.parts += batch.size();
    return memory_.read(batch);
  }
  Result<> write(std::span<const DeviceWrite> batch) override { return memory_.write(batch); }
  Result<> flush(FlushSite site) override { return memory_.flush(site); }
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override {
    return memory_.write_flushed(write, site);
  }
  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    memory_.discard(offset, bytes);
  }
  MemoryDevice::Image image() const { return memory_.image(); }

 private:
  MemoryDevice memory_;
  Counts& counts_;
};

std::string key_of(unsigned number) {
  return std::string(as_text(Key().u32(number)));
}
std::string value_of(unsigned number) {
  return std::string(50 + number % 200, static_cast<char>('a' + number % 26));
}

// A volume of kKeys pairs, closed.
const MemoryDevice::Image& many_keys() {
  static const MemoryDevice::Image image = [] {
    CountingDevice::Counts unused;
    MemoryDevice fresh(kVolumeBytes);
    REQUIRE(Volume::format(fresh, {.log_bytes = std::uint64_t{16} << 20}));
    auto device = std::make_unique<CountingDevice>(fresh.image(), unused);
    CountingDevice* const kept = device.get();
    auto volume = Volume::open(std::move(device), {});
    REQUIRE(volume);
    Transaction transaction;
    for (unsigned i = 0; i < kKeys; ++i) {
      transaction.put(Tree::inode, as_bytes(key_of(i)), as_bytes(value_of(i)));
      if (i % 500 == 499) REQUIRE((*volume)->commit(transaction));
    }
    REQUIRE((*volume)->close());
    return kept->image();
  }();
  return image;
}

std::unique_ptr<Volume> open_cold(CountingDevice::Counts& counts, std::size_t cache_bytes,
                                  MemoryDevice::Image image = many_keys()) {
  set_log_level(Level::warn);
  auto volume = Volume::open(std::make_unique<CountingDevice>(std::move(image), counts),
                             {.cache_bytes = cache_bytes});
  REQUIRE(volume);
  counts.submissions = counts.parts = 0;
  return std::move(*volume);
}

}  // namespace

TEST_CASE("a hundred cold keys come in one submission a level, and are then in memory") {
  CountingDevice::Counts counts;
  const auto volume = open_cold(counts, std::size_t{64} << 20);
  Rng rng(std::random_device{}());
  std::vector<std::string> keys;
  std::vector<unsigned> numbers;
  for (unsigned i = 0; i < 100; ++i) {
    numbers.push_back(static_cast<unsigned>(rng() % (kKeys + 100)));  // a few are absent
    keys.push_back(key_of(numbers.back()));
  }
  volume->prefetch(Tree::inode, keys);
  CHECK(counts.submissions <= 3);  // root, one level between, leaves
  CHECK(counts.parts > 50);
  const std::uint64_t before = counts.submissions;
  for (unsigned i = 0; i < keys.size(); ++i) {
    std::string value;
    const auto found = volume->get(Tree::inode, as_bytes(keys[i]), value, Wait::never);
    REQUIRE(found.has_value() == (numbers[i] < kKeys));
    if (found) CHECK(value == value_of(numbers[i]));
    if (!found) CHECK(found.error().code == ENOENT);
  }
  volume->prefetch(Tree::inode, keys);
  volume->prefetch(Tree::orphan, keys);  // an empty tree
  volume->prefetch(Tree::inode, {});
  CHECK(counts.submissions == before);
}

TEST_CASE("a cold scan reads ever more leaves at once, whatever its borders, and misses none") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Rng rng(seed);
  for (const std::size_t cache : {std::size_t{64} << 20, std::size_t{1} << 20}) {
    CountingDevice::Counts counts;
    const auto volume = open_cold(counts, cache);
    unsigned next = 0;
    REQUIRE(volume->scan(Tree::inode, {}, {}, [&](Bytes key, Bytes value) {
      CHECK(as_text(key) == key_of(next));
      CHECK(as_text(value) == value_of(next));
      return ++next > 0;
    }));
    CHECK(next == kKeys);
    CHECK(counts.parts > 200);
    CHECK(counts.submissions * 8 < counts.parts);
    for (unsigned round = 0; round < 20; ++round) {
      const auto from = static_cast<unsigned>(rng() % kKeys);
      const auto to = static_cast<unsigned>(from + rng() % (kKeys - from));
      next = from;
      REQUIRE(volume->scan(Tree::inode, as_bytes(key_of(from)), as_bytes(key_of(to)),
                           [&](Bytes key, Bytes) {
                             CHECK(as_text(key) == key_of(next));
                             return ++next > 0;
                           }));
      CHECK(next == to);
    }
  }
}

TEST_CASE("a scan that ends at once reads no leaf that it does not look at") {
  CountingDevice::Counts counts;
  const auto volume = open_cold(counts, std::size_t{64} << 20);
  REQUIRE(volume->scan(Tree::inode, {}, {}, [](Bytes, Bytes) { return false; }));
  CHECK(counts.parts <= 3);
}

TEST_CASE("a page that does not check spoils neither prefetch nor the other keys") {
  set_log_level(Level{3});
  CountingDevice::Counts counts;
  MemoryDevice::Image image = many_keys();
  unsigned spoilt = 0;
  // Every third page that looks like a leaf of the tree.
  for (std::size_t block = 5000; block + 4 < image.size(); block += 4) {
    if (image[block] == nullptr || std::memcmp(image[block]->data(), "PAGE", 4) != 0) continue;
    if ((*image[block])[7] != std::byte{0} || (*image[block])[6] != std::byte{0}) continue;
    if (++spoilt % 3 == 0)
      MemoryDevice::write_image(image, block * kBlockBytes + 9000, as_bytes("x"));
  }
  REQUIRE(spoilt > 100);
  const auto volume = open_cold(counts, std::size_t{64} << 20, image);
  set_log_level(Level{3});
  unsigned bad = 0, good = 0;
  for (unsigned first = 0; first < kKeys; first += 4000) {
    std::vector<std::string> keys;
    for (unsigned i = 0; i < 100; ++i) keys.push_back(key_of(first + 40 * i));
    volume->prefetch(Tree::inode, keys);
    for (const std::string& key : keys) {
      std::string value;
      const auto found = volume->get(Tree::inode, as_bytes(key), value);
      (found ? good : bad) += 1;
      if (!found) CHECK((found.error().code == EUCLEAN || found.error().code == ENOENT));
    }
  }
  CHECK(bad > 0);
  CHECK(good > bad);
  set_log_level(Level::info);
}

TEST_CASE("many runs of blocks are one submission, and a bad one among them is refused") {
  CountingDevice::Counts counts;
  const auto volume = open_cold(counts, std::size_t{1} << 20);
  std::vector<Extent> extents;
  Transaction transaction;
  for (unsigned i = 0; i < 120; ++i) {
    const auto extent = volume->allocate(1 + i % 3);
    REQUIRE(extent);
    const Buffer content = Buffer::take(std::size_t{extent->blocks} * kBlockBytes);
    std::memset(content.data(), static_cast<int>(i), content.size());
    REQUIRE(volume->write_blocks(extent->first, content.bytes()));
    transaction.adopt(*extent);
    extents.push_back(*extent);
  }
  REQUIRE(volume->commit(transaction));
  counts.submissions = 0;
  std::vector<Buffer> memory;
  std::vector<Volume::BlockRead> runs;
  for (const Extent& extent : extents) {
    memory.push_back(Buffer::take(std::size_t{extent.blocks} * kBlockBytes));
    runs.push_back({.first = extent.first, .into = memory.back().bytes()});
  }
  REQUIRE(volume->read_blocks(runs));
  CHECK(counts.submissions == 1);
  for (std::size_t i = 0; i < memory.size(); ++i)
    for (const std::byte b : memory[i].bytes()) REQUIRE(b == static_cast<std::byte>(i));
  CHECK(volume->read_blocks(runs, Wait::never).error().code == EAGAIN);
  runs[7].first = BlockNo{1};
  CHECK(volume->read_blocks(runs).error().code == EUCLEAN);
  CHECK(counts.submissions == 1);
}

TEST_CASE("a file in fifty pieces is read in one submission") {
  CountingDevice::Counts counts;
  const auto volume = open_cold(counts, std::size_t{1} << 20);
  const Buffer page = Buffer::take(2 * kBlockBytes);
  Transaction transaction;
  for (unsigned i = 0; i < 50; ++i) {
    std::memset(page.data(), static_cast<int>(i + 1), page.size());
    const auto extents = write_file_blocks(*volume, 3 * i, page.bytes());
    REQUIRE(extents);
    for (const FileExtent& extent : *extents) {
      transaction.adopt(extent.where());
      transaction.put(Tree::extent, extent_key(Ino{9}, extent.block), as_bytes(extent.encode()));
    }
  }
  REQUIRE(volume->commit(transaction));
  counts.submissions = 0;
  const Buffer whole = Buffer::take(150 * kBlockBytes);
  REQUIRE(read_file_blocks(*volume, Ino{9}, 0, whole.bytes(), Wait::allowed));
  CHECK(counts.submissions == 1);
  for (std::size_t block = 0; block < 150; ++block) {
    const int expected = block % 3 == 2 ? 0 : static_cast<int>(block / 3) + 1;
    for (const std::byte b : whole.bytes().subspan(block * kBlockBytes, kBlockBytes))
      REQUIRE(b == static_cast<std::byte>(expected));
  }
}

TEST_SUITE_END();
