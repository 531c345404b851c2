// SPDX-License-Identifier: Apache-2.0
#include "storage/frequency_sketch.h"

#include <algorithm>
#include <bit>

namespace vexfs {

void FrequencySketch::resize(std::size_t entries) {
  entries = std::max<std::size_t>(entries, 16);
  sample_ = kSampleFactor * entries;
  const std::size_t count = std::bit_ceil(entries * kBytesPerEntry / sizeof(Block));
  if (blocks_.empty()) {
    blocks_.resize(count);
    return;
  }
  // A key's block is the low bits of its hash: of a larger table each half is the smaller one,
  // in a smaller one two halves fall together.
  while (blocks_.size() < count) {
    const std::size_t half = blocks_.size();
    blocks_.resize(2 * half);
    std::copy_n(blocks_.begin(), half, blocks_.begin() + static_cast<std::ptrdiff_t>(half));
  }
  while (blocks_.size() > count) {
    const std::size_t half = blocks_.size() / 2;
    for (std::size_t i = 0; i < half; ++i)
      for (std::size_t w = 0; w < blocks_[i].words.size(); ++w) {
        std::uint64_t &kept = blocks_[i].words[w], gone = blocks_[half + i].words[w], larger = 0;
        for (unsigned shift = 0; shift < 64; shift += 4)
          larger |= std::max(kept >> shift & kCountMax, gone >> shift & kCountMax) << shift;
        kept = larger;
      }
    blocks_.resize(half);
    blocks_.shrink_to_fit();
  }
}

void FrequencySketch::add(std::uint64_t hash) {
  Block& block = blocks_[block_of(hash)];
  std::array<Place, kRows> places;
  std::array<unsigned, kRows> counts;
  unsigned least = kCountMax;
  for (unsigned row = 0; row < kRows; ++row) {
    places[row] = place(hash, row);
    counts[row] = block.words[places[row].word] >> places[row].shift & kCountMax;
    least = std::min(least, counts[row]);
  }
  if (least < kCountMax)
    // Only the smallest: the others already say too much.
    for (unsigned row = 0; row < kRows; ++row)
      if (counts[row] == least)
        block.words[places[row].word] += std::uint64_t{1} << places[row].shift;
  if (++added_ >= sample_) age();
}

unsigned FrequencySketch::estimate(std::uint64_t hash) const {
  const Block& block = blocks_[block_of(hash)];
  unsigned least = kCountMax;
  for (unsigned row = 0; row < kRows; ++row) {
    const Place at = place(hash, row);
    least = std::min<unsigned>(least, block.words[at.word] >> at.shift & kCountMax);
  }
  return least;
}

void FrequencySketch::age() {
  for (Block& block : blocks_)
    for (std::uint64_t& word : block.words) word = word >> 1 & 0x7777'7777'7777'7777u;
  added_ = 0;
}

}  // namespace vexfs
