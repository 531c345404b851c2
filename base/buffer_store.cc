// SPDX-License-Identifier: Apache-2.0
#include "base/buffer_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <functional>
#include <new>

#include "base/assert.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

constexpr std::size_t kSlabBytes = std::size_t{1} << 20;
constexpr std::size_t kKernelPage = 4096;

Gauge& held_gauge() {
  static Gauge& bytes =
      metrics::gauge("vexfs_buffer_held_bytes", "Memory of pooled buffers, in use or kept");
  return bytes;
}
Counter& trimmed_bytes() {
  static Counter& bytes =
      metrics::counter("vexfs_buffer_trimmed_bytes", "Memory that the pool gave back");
  return bytes;
}

std::byte* map(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

}  // namespace

BufferStore& BufferStore::the_one() {
  static BufferStore& store = *new BufferStore;
  return store;
}

BufferStore::BufferStore() : arena_(map(kArenaBytes)) {
  held_gauge();  // made here: not with the lock held
  trimmed_bytes();
  Lock lock(mutex_);
  for (std::size_t at = 0; at < kArenaBytes; at += kBufferTiers[kTiers - 1])
    tiers_[kTiers - 1].empty.push_back(arena_ + at);
}

void BufferStore::grow(std::size_t tier) {
  std::byte* const slab = map(kSlabBytes);
  // Backwards, so that they are handed out in rising order.
  for (std::size_t at = kSlabBytes; at > 0; at -= kBufferTiers[tier])
    tiers_[tier].empty.push_back(slab + at - kBufferTiers[tier]);
}

std::size_t BufferStore::take(std::size_t tier, std::span<std::byte*> into) {
  Lock lock(mutex_);
  Tier& mine = tiers_[tier];
  std::size_t kept = 0;
  for (std::byte*& buffer : into) {
    std::vector<std::byte*>* from = &mine.kept;
    if (from->empty()) {
      if (mine.empty.empty()) grow(tier);
      from = &mine.empty;
      ++mine.in_memory;
      held_gauge().add(static_cast<std::int64_t>(kBufferTiers[tier]));
    } else {
      ++kept;
    }
    buffer = from->back();
    from->pop_back();
  }
  return kept;
}

void BufferStore::give(std::size_t tier, std::span<std::byte* const> buffers) {
  Lock lock(mutex_);
  Tier& mine = tiers_[tier];
  mine.kept.insert(mine.kept.end(), buffers.begin(), buffers.end());
  // Half at once: pages that lie beside each other go back in one call.
  if (mine.kept.size() * kBufferTiers[tier] > kept_bytes_max_)
    trim(tier, kept_bytes_max_ / kBufferTiers[tier] / 2);
}

void BufferStore::keep_at_most(std::size_t bytes) {
  Lock lock(mutex_);
  kept_bytes_max_ = bytes;
}

// Gives back all kept buffers of a tier but `keep`.
std::size_t BufferStore::trim(std::size_t tier, std::size_t keep) {
  const std::size_t bytes = kBufferTiers[tier];
  Tier& mine = tiers_[tier];
  if (bytes < kKernelPage || mine.kept.size() <= keep) return 0;
  // The arena stays: a device may have pinned it, and would go on with the old pages.
  const auto arena = std::ranges::partition(mine.kept, [this](auto* b) { return in_arena(b); });
  const auto first_free = static_cast<std::size_t>(arena.begin() - mine.kept.begin());
  const auto begin = mine.kept.begin() + static_cast<std::ptrdiff_t>(std::max(first_free, keep));
  if (begin >= mine.kept.end()) return 0;
  std::sort(begin, mine.kept.end(), std::greater<>());
  std::size_t freed = 0;
  for (auto run = begin; run != mine.kept.end();) {
    auto end = run + 1;
    while (end != mine.kept.end() && *end + bytes == *(end - 1)) ++end;
    const std::size_t length = static_cast<std::size_t>(end - run) * bytes;
    const int result = ::madvise(*(end - 1), length, MADV_DONTNEED);
    VEXFS_ASSERT(result == 0);
    freed += length;
    run = end;
  }
  mine.empty.insert(mine.empty.end(), begin, mine.kept.end());
  mine.in_memory -= freed / bytes;
  mine.kept.erase(begin, mine.kept.end());
  held_gauge().add(-static_cast<std::int64_t>(freed));
  trimmed_bytes().add(freed);
  return freed;
}

std::size_t BufferStore::trim() {
  Lock lock(mutex_);
  std::size_t freed = 0;
  for (std::size_t tier = 0; tier < kTiers; ++tier) freed += trim(tier, 0);
  return freed;
}

std::size_t BufferStore::kept_bytes() const {
  Lock lock(mutex_);
  std::size_t bytes = 0;
  for (std::size_t tier = 0; tier < kTiers; ++tier)
    bytes += tiers_[tier].kept.size() * kBufferTiers[tier];
  return bytes;
}

std::size_t BufferStore::held_bytes() const {
  Lock lock(mutex_);
  std::size_t bytes = 0;
  for (std::size_t tier = 0; tier < kTiers; ++tier)
    bytes += tiers_[tier].in_memory * kBufferTiers[tier];
  return bytes;
}

}  // namespace vexfs
