// SPDX-License-Identifier: Apache-2.0
// PageIndex: finds a page in memory by its address, without a lock. A hint: what is not in it may
// still be in the cache's shards.
//
//   bucket   a cache line of eight entries: 16 bits of the address's hash, 48 of the pointer
//
// Always: a page in the index is alive, or was taken out before some Departure (shared_latch.h)
// that its memory waits for.
// Threads: find() any that is inside a latch of Channel::pages; put() and take_out() of one
// address one at a time.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

namespace vexfs {

class CacheEntry;

class PageIndex {
 public:
  // For about `pages`. More find less room, and are found in the shards.
  explicit PageIndex(std::size_t pages);

  CacheEntry* find(std::uint64_t address, std::uint64_t birth) const;
  void put(CacheEntry& page);
  void take_out(const CacheEntry& page);

 private:
  static constexpr unsigned kPointerBits = 48;
  using Entry = std::atomic<std::uint64_t>;
  struct alignas(64) Bucket {
    std::array<Entry, 8> entries{};
  };
  struct Place {
    Bucket& bucket;
    std::uint64_t tag;  // in the upper bits
  };
  Place place_of(std::uint64_t address) const;

  std::size_t mask_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace vexfs
