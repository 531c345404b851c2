// SPDX-License-Identifier: Apache-2.0
#include "storage/page_index.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "storage/cache_shards.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kPointerMask = (std::uint64_t{1} << 48) - 1;

CacheEntry* page_of(std::uint64_t entry) {
  return reinterpret_cast<CacheEntry*>(entry & kPointerMask);
}

std::uint64_t number_of(const CacheEntry& page) {
  const auto number = reinterpret_cast<std::uintptr_t>(&page);
  VEXFS_ASSERT((number & ~kPointerMask) == 0);  // user space of all 64-bit machines we run on
  return number;
}

}  // namespace

// Two a bucket on average: about one in 4000 buckets runs over.
PageIndex::PageIndex(std::size_t pages)
    : mask_(std::bit_ceil(std::max<std::size_t>(pages / 2, 64)) - 1),
      buckets_(std::make_unique<Bucket[]>(mask_ + 1)) {}

PageIndex::Place PageIndex::place_of(std::uint64_t address) const {
  const std::uint64_t hash = (address >> 2) * 0x9E3779B97F4A7C15;
  return {.bucket = buckets_[(hash >> 20) & mask_], .tag = hash & ~kPointerMask};
}

CacheEntry* PageIndex::find(std::uint64_t address, std::uint64_t birth) const {
  const Place place = place_of(address);
  for (const Entry& entry : place.bucket.entries) {
    const std::uint64_t seen = entry.load(std::memory_order_seq_cst);
    if (((seen ^ place.tag) & ~kPointerMask) != 0 || page_of(seen) == nullptr) continue;
    CacheEntry* const page = page_of(seen);
    if (page->address == address && page->birth == birth) return page;
  }
  return nullptr;
}

void PageIndex::put(CacheEntry& page) {
  const Place place = place_of(page.address);
  const std::uint64_t wanted = place.tag | number_of(page);
  Entry* free = nullptr;
  for (Entry& entry : place.bucket.entries) {
    const std::uint64_t seen = entry.load(std::memory_order_relaxed);
    if (seen == wanted) return;
    if (page_of(seen) == nullptr) free = &entry;
  }
  std::uint64_t nothing = 0;
  // Another address may take the place meanwhile: then this page stays a page of the shards.
  if (free != nullptr) free->compare_exchange_strong(nothing, wanted, std::memory_order_seq_cst);
}

void PageIndex::take_out(const CacheEntry& page) {
  const Place place = place_of(page.address);
  std::uint64_t wanted = place.tag | number_of(page);
  for (Entry& entry : place.bucket.entries)
    if (entry.load(std::memory_order_relaxed) == wanted) entry.store(0, std::memory_order_seq_cst);
}

}  // namespace vexfs
