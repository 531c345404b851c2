// SPDX-License-Identifier: Apache-2.0
// Goal: whatever stands in a compressed extent whose checksum fits, reading it gives the content
// or EIO, writes nothing outside of its buffer and ends.
// Method: bits flipped, bytes replaced and ends cut off of real frames, and frames of noise, from a
// printed seed, into a buffer with a guard behind it; then through the record of a file, with
// checksums made to fit.
#include "storage/compression.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/extent_edit.h"
#include "storage/extent_writer.h"
#include "storage/file_data.h"
#include "tests/support/model_volume.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/compression");

namespace {

constexpr std::size_t kRawBlocks = kCompressedBlocksMax;
constexpr std::size_t kRawBytes = kRawBlocks * kBlockBytes;

void fill_with_words(MutableBytes into, std::mt19937_64& rng) {
  for (std::byte& b : into) b = static_cast<std::byte>('a' + rng() % 6);
}

// One of the ways in which a frame may be wrong.
void spoil(MutableBytes stored, std::mt19937_64& rng) {
  const auto any = [&] { return rng() % stored.size(); };
  switch (rng() % 5) {
    case 0:  // the header: sizes and what follows
      stored[rng() % 18] ^= static_cast<std::byte>(1 << rng() % 8);
      break;
    case 1:
      for (std::uint64_t n = 1 + rng() % 40; n > 0; --n) stored[any()] = std::byte(rng());
      break;
    case 2:
      std::ranges::fill(stored.subspan(any()), std::byte{0});
      break;
    case 3: {
      const std::size_t from = any(), to = any(), bytes = stored.size() - std::max(from, to);
      std::memmove(stored.data() + to, stored.data() + from, bytes);
      break;
    }
    default:
      stored[any()] ^= static_cast<std::byte>(1 << rng() % 8);
  }
}

}  // namespace

TEST_CASE("a spoiled frame decompresses to its size or is refused, and writes nothing behind") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  const Buffer raw = Buffer::take(kRawBytes), stored = Buffer::take(kRawBytes);
  const Buffer copy = Buffer::take(kRawBytes);
  std::vector<std::byte> out(kRawBytes + 64);
  unsigned refused = 0;
  for (int round = 0; round < 3000; ++round) {
    if (round % 100 == 0) fill_with_words(raw.bytes(), rng);
    const std::size_t blocks = 2 + rng() % (kRawBlocks - 1);
    const Bytes content = raw.bytes().first(blocks * kBlockBytes);
    const std::uint32_t disk = compress_extent(content, stored.bytes(), {.level = 1});
    REQUIRE(disk > 0);
    const MutableBytes frame = copy.bytes().first(std::size_t{disk} * kBlockBytes);
    std::memcpy(frame.data(), stored.data(), frame.size());
    if (round % 50 == 1)
      for (std::byte& b : frame) b = std::byte(rng());
    else if (round % 50 != 0)
      spoil(frame, rng);
    std::ranges::fill(out, std::byte{0x5a});
    const auto done = decompress_extent(frame, std::span(out).first(content.size()));
    REQUIRE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(content.size()), out.end(),
                        [](std::byte b) { return b == std::byte{0x5a}; }));
    if (round % 50 == 0)
      REQUIRE((done && std::ranges::equal(content, Bytes(out).first(content.size()))));
    refused += done ? 0 : 1;
  }
  CHECK(refused > 1000);
}

TEST_CASE("a spoiled compressed extent behind fitting checksums reads as content or as EIO") {
  set_log_level(Level{3});
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  ModelVolume volume;
  const Ino ino{7};
  const Buffer raw = Buffer::take(kRawBytes);
  fill_with_words(raw.bytes(), rng);
  const auto written = write_file_blocks(volume, 0, raw.bytes(), {.level = 1});
  REQUIRE(written);
  REQUIRE(written->size() == 1);
  FileExtent extent = written->front();
  REQUIRE(extent.compressed());
  const Buffer stored = Buffer::take(std::size_t{extent.disk_blocks} * kBlockBytes);
  REQUIRE(volume.read_blocks(extent.first, stored.bytes()));
  const Buffer spoiled = Buffer::take(stored.size()), out = Buffer::take(kRawBytes);
  unsigned errors = 0;
  for (int round = 0; round < 400; ++round) {
    std::memcpy(spoiled.data(), stored.data(), stored.size());
    if (round > 0) spoil(spoiled.bytes(), rng);
    REQUIRE(volume.write_blocks(extent.first, spoiled.bytes()));
    extent.checks = block_checks(spoiled.bytes());
    // Pieces and the whole.
    const std::uint64_t from = rng() % kRawBlocks, to = from + 1 + rng() % (kRawBlocks - from);
    const FileExtent piece = rng() % 2 == 0 ? extent : extent.cut(from, to);
    Transaction transaction;
    for (std::uint64_t block = 0; block < kRawBlocks; ++block)
      transaction.erase(Tree::extent, extent_key(ino, block));
    transaction.put(Tree::extent, extent_key(ino, piece.block), as_bytes(piece.encode()));
    REQUIRE(volume.commit(transaction));
    const auto read = read_file_blocks(volume, ino, 0, out.bytes(), Wait::allowed);
    if (!read) CHECK(read.error().code == EIO);
    if (round == 0) CHECK(read);
    errors += read ? 0 : 1;
  }
  CHECK(errors > 100);
  set_log_level(Level::info);
}

TEST_SUITE_END();
