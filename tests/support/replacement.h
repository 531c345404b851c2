// SPDX-License-Identifier: Apache-2.0
// What the cache is compared with: LRU and CLOCK over numbered blocks, as simple as they can be,
// and the requests that caches are tried on.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace vexfs {

// Least recently used goes first. Blocks 0 .. blocks - 1.
class LruCache {
 public:
  LruCache(std::uint32_t blocks, std::size_t capacity)
      : end_(blocks), capacity_(capacity), links_(blocks + 1) {
    links_[end_] = {.older = end_, .newer = end_};
  }
  bool read(std::uint32_t block) {
    const bool hit = links_[block].in;
    if (hit)
      unlink(block);
    else if (size_ == capacity_)
      unlink(links_[end_].newer);
    push(block);
    return hit;
  }

 private:
  struct Link {
    std::uint32_t older = 0, newer = 0;
    bool in = false;
  };
  void unlink(std::uint32_t block) {
    links_[links_[block].older].newer = links_[block].newer;
    links_[links_[block].newer].older = links_[block].older;
    links_[block].in = false;
    --size_;
  }
  void push(std::uint32_t block) {
    links_[block] = {.older = links_[end_].older, .newer = end_, .in = true};
    links_[links_[end_].older].newer = block;
    links_[end_].older = block;
    ++size_;
  }
  const std::uint32_t end_;
  const std::size_t capacity_;
  std::size_t size_ = 0;
  std::vector<Link> links_;
};

// A hand goes round and takes the first that was not read since it passed.
class ClockCache {
 public:
  ClockCache(std::uint32_t blocks, std::size_t capacity) : capacity_(capacity), state_(blocks) {}
  bool read(std::uint32_t block) {
    if (state_[block] != kAbsent) {
      state_[block] = kRecent;
      return true;
    }
    if (ring_.size() < capacity_) {
      ring_.push_back(block);
    } else {
      for (; state_[ring_[hand_]] == kRecent; hand_ = (hand_ + 1) % capacity_)
        state_[ring_[hand_]] = kOld;
      state_[ring_[hand_]] = kAbsent;
      ring_[hand_] = block;
      hand_ = (hand_ + 1) % capacity_;
    }
    state_[block] = kRecent;
    return false;
  }

 private:
  static constexpr std::uint8_t kAbsent = 0, kOld = 1, kRecent = 2;
  const std::size_t capacity_;
  std::size_t hand_ = 0;
  std::vector<std::uint32_t> ring_;
  std::vector<std::uint8_t> state_;
};

// Requests: ranks from a Zipf distribution, each rank a block of its own. Now and then (every
// `shift_every` requests, 0: never) two random ranks change their blocks; every `scan_every`-th
// request (0: none) goes round through blocks of its own instead.
class Requests {
 public:
  struct Options {
    std::uint32_t blocks = 0;
    double exponent = 0.99;
    std::uint64_t shift_every = 0;
    std::uint64_t scan_every = 0;
    std::uint32_t scan_blocks = 0;  // behind the others
    std::uint64_t seed = 1;
  };
  explicit Requests(Options options) : options_(options), random_(options.seed) {
    double sum = 0;
    for (std::uint32_t i = 0; i < options.blocks; ++i) {
      sum += std::pow(i + 1.0, -options.exponent);
      below_.push_back(sum);
      block_.push_back(i);
    }
    std::ranges::shuffle(block_, random_);
  }
  std::uint32_t blocks() const { return options_.blocks + options_.scan_blocks; }
  std::uint32_t next(bool& scan) {
    ++count_;
    scan = options_.scan_every != 0 && count_ % options_.scan_every == 0;
    if (scan) return options_.blocks + scanned_++ % options_.scan_blocks;
    if (options_.shift_every != 0 && count_ % options_.shift_every == 0)
      std::swap(block_[random_() % options_.blocks], block_[random_() % options_.blocks]);
    const double at = static_cast<double>(random_() >> 11) * 0x1p-53 * below_.back();
    return block_[static_cast<std::size_t>(std::ranges::lower_bound(below_, at) - below_.begin())];
  }
  // The share of (unscanned, unshifted) requests that a cache holding the `capacity` most wanted
  // blocks answers: no cache does better in the long run.
  double ideal(std::size_t capacity) const { return below_[capacity - 1] / below_.back(); }

 private:
  const Options options_;
  std::mt19937_64 random_;
  std::uint64_t count_ = 0;
  std::uint32_t scanned_ = 0;
  std::vector<double> below_;  // sums of weights up to each rank
  std::vector<std::uint32_t> block_;
};

}  // namespace vexfs
