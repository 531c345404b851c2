// SPDX-License-Identifier: Apache-2.0
// FrequencySketch: about how often a key was asked for lately, in a few bytes a key.
//
// A count-min sketch of 4-bit counters with conservative update and ageing: each key has four
// counters in one cache line, its estimate is the smallest, and after every kSampleFactor times
// `entries` additions all counters are halved, so that fame fades. Estimates are at most 15 and
// never below what was added since the last halving; they are above it where keys collide.
// (Cormode, Muthukrishnan 2005; ageing: Einziger, Friedman, Manes, "TinyLFU", 2017.)
// Threads: one, or the owner's lock.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace vexfs {

class FrequencySketch {
 public:
  static constexpr unsigned kCountMax = 15;
  static constexpr std::size_t kSampleFactor = 5;

  // For a cache of so many entries: kBytesPerEntry times that, rounded up to a power of two.
  explicit FrequencySketch(std::size_t entries) { resize(entries); }
  // Keeps what it has learnt.
  void resize(std::size_t entries);

  // `hash`: well mixed in all its bits; the upper six are left to the caller.
  void add(std::uint64_t hash);
  unsigned estimate(std::uint64_t hash) const;
  std::size_t bytes() const { return blocks_.size() * sizeof(Block); }

 private:
  static constexpr unsigned kRows = 4;
  static constexpr std::size_t kBytesPerEntry = 32;
  struct alignas(64) Block {
    // Row r owns words 2r and 2r + 1: 32 counters.
    std::array<std::uint64_t, 8> words{};
  };
  struct Place {
    unsigned word, shift;
  };
  static Place place(std::uint64_t hash, unsigned row) {
    const auto bits = static_cast<unsigned>(hash >> (38 + 5 * row)) & 31;
    return {.word = 2 * row + (bits & 1), .shift = (bits >> 1) * 4};
  }
  std::size_t block_of(std::uint64_t hash) const { return hash & (blocks_.size() - 1); }
  void age();

  std::vector<Block> blocks_;
  std::size_t sample_ = 0;  // additions between two halvings
  std::size_t added_ = 0;
};

}  // namespace vexfs
