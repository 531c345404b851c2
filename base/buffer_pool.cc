// SPDX-License-Identifier: Apache-2.0
// The threads' caches, and Buffer.
#include "base/buffer_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/assert.h"
#include "base/buffer_store.h"
#include "base/metrics.h"
#include "base/mutex.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, bytes) static_cast<void>(memory)
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) static_cast<void>(memory)
#endif

namespace vexfs {

namespace {

constexpr std::size_t kTiers = kBufferTiers.size();
constexpr std::size_t kSlotsMax = 8;
constexpr std::array<std::size_t, kTiers> kSlots = {8, 8, 8, 4, 1};  // kept by each thread

struct PoolMetrics {
  Counter& by_thread = metrics::counter("vexfs_buffer_taken_total", "Buffers taken from the pool",
                                        "from=\"thread\"");
  Counter& shared = metrics::counter("vexfs_buffer_taken_total", "Buffers taken from the pool",
                                     "from=\"shared\"");
  Counter& fresh = metrics::counter("vexfs_buffer_taken_total", "Buffers taken from the pool",
                                    "from=\"kernel\"");
};
PoolMetrics& pool_metrics() {
  static PoolMetrics& the_one = *new PoolMetrics;
  return the_one;
}

// Buffers of one thread. Only it puts into the slots; trim() on another thread may empty them.
class ThreadCache {
 public:
  ThreadCache();
  ~ThreadCache();

  std::byte* take(std::size_t tier) {
    auto& slots = slots_[tier];
    for (std::size_t i = 0; i < kSlots[tier]; ++i) {
      if (slots[i].load(std::memory_order_relaxed) == nullptr) continue;
      if (std::byte* const buffer = slots[i].exchange(nullptr, std::memory_order_acquire)) {
        by_thread_.store(by_thread_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return buffer;
      }
    }
    return refill(tier);
  }
  void give(std::size_t tier, std::byte* buffer) {
    auto& slots = slots_[tier];
    for (std::size_t i = 0; i < kSlots[tier]; ++i) {
      if (slots[i].load(std::memory_order_relaxed) != nullptr) continue;
      slots[i].store(buffer, std::memory_order_release);
      return;
    }
    spill(tier, buffer);
  }
  // Any thread. What was in the slots of a tier is added to `taken`.
  void drain(std::size_t tier, std::vector<std::byte*>& taken);
  std::size_t free_bytes() const;
  std::uint64_t by_thread() const { return by_thread_.load(std::memory_order_relaxed); }

 private:
  std::byte* refill(std::size_t tier);
  void spill(std::size_t tier, std::byte* buffer);

  std::array<std::array<std::atomic<std::byte*>, kSlotsMax>, kTiers> slots_{};
  std::atomic<std::uint64_t> by_thread_{0};  // written by the owner
  std::uint64_t reported_ = 0;               // of them, in the metric
};

struct Registry {
  Mutex mutex;
  std::vector<ThreadCache*> caches GUARDED_BY(mutex);
  std::atomic<std::uint64_t> reused{0}, fresh{0}, by_thread_ended{0};
};
Registry& registry() {
  static Registry& the_one = *new Registry;
  return the_one;
}

ThreadCache::ThreadCache() {
  Lock lock(registry().mutex);
  registry().caches.push_back(this);
}

ThreadCache::~ThreadCache() {
  {
    Lock lock(registry().mutex);
    std::erase(registry().caches, this);
  }
  std::vector<std::byte*> taken;
  for (std::size_t tier = 0; tier < kTiers; ++tier, taken.clear()) {
    drain(tier, taken);
    BufferStore::the_one().give(tier, taken);
  }
  registry().by_thread_ended += by_thread();
  pool_metrics().by_thread.add(by_thread() - std::exchange(reported_, by_thread()));
}

// Half as many as it may keep, one of them for the caller.
std::byte* ThreadCache::refill(std::size_t tier) {
  std::array<std::byte*, kSlotsMax / 2> taken;
  const std::size_t count = std::max<std::size_t>(kSlots[tier] / 2, 1);
  const std::size_t kept = BufferStore::the_one().take(tier, std::span(taken).first(count));
  registry().reused += kept;
  registry().fresh += count - kept;
  pool_metrics().shared.add(kept);
  pool_metrics().fresh.add(count - kept);
  pool_metrics().by_thread.add(by_thread() - std::exchange(reported_, by_thread()));
  for (std::size_t i = 1; i < count; ++i) give(tier, taken[i]);
  return taken[0];
}

// Half of what it keeps, and `buffer`.
void ThreadCache::spill(std::size_t tier, std::byte* buffer) {
  std::array<std::byte*, kSlotsMax / 2 + 1> given;
  std::size_t count = 0;
  given[count++] = buffer;
  for (std::size_t i = 0; i < kSlots[tier] / 2; ++i)
    if (std::byte* const kept = slots_[tier][i].exchange(nullptr, std::memory_order_acquire))
      given[count++] = kept;
  BufferStore::the_one().give(tier, std::span(given).first(count));
}

void ThreadCache::drain(std::size_t tier, std::vector<std::byte*>& taken) {
  for (std::atomic<std::byte*>& slot : slots_[tier])
    if (std::byte* const kept = slot.exchange(nullptr, std::memory_order_acquire))
      taken.push_back(kept);
}

std::size_t ThreadCache::free_bytes() const {
  std::size_t bytes = 0;
  for (std::size_t tier = 0; tier < kTiers; ++tier)
    for (const std::atomic<std::byte*>& slot : slots_[tier])
      if (slot.load(std::memory_order_relaxed) != nullptr) bytes += kBufferTiers[tier];
  return bytes;
}

thread_local ThreadCache cache;

std::byte* allocate(std::size_t bytes) {
  constexpr std::size_t kAlignment = 4096;
  void* memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<std::byte*>(memory);
}

}  // namespace

Buffer Buffer::take(std::size_t bytes) {
  Buffer buffer;
  buffer.size_ = bytes;
  while (buffer.tier_ < kTiers && kBufferTiers[buffer.tier_] < bytes) ++buffer.tier_;
  if (buffer.tier_ == kTiers) {
    buffer.data_ = allocate(bytes);
  } else {
    buffer.data_ = cache.take(buffer.tier_);
    // As long as asked for: beyond it is a fault, and in a free one everything is.
    ASAN_UNPOISON_MEMORY_REGION(buffer.data_, bytes);
  }
  return buffer;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (tier_ == kTiers) {
    std::free(data_);
    return;
  }
  ASAN_POISON_MEMORY_REGION(data_, kBufferTiers[tier_]);
  cache.give(tier_, data_);
}

Bytes Buffer::arena() {
  static const Bytes arena = BufferStore::the_one().arena();
  return arena;
}

namespace buffer_pool {

Usage usage() {
  Registry& all = registry();
  Usage usage{.held_bytes = BufferStore::the_one().held_bytes(),
              .free_bytes = BufferStore::the_one().kept_bytes(),
              .reused_by_thread = all.by_thread_ended,
              .reused = all.reused,
              .fresh = all.fresh};
  Lock lock(all.mutex);
  for (const ThreadCache* each : all.caches) {
    usage.free_bytes += each->free_bytes();
    usage.reused_by_thread += each->by_thread();
  }
  return usage;
}

void keep_at_most(std::size_t bytes) {
  BufferStore::the_one().keep_at_most(bytes);
}

std::size_t trim() {
  std::vector<std::byte*> taken;
  for (std::size_t tier = 0; tier < kTiers; ++tier, taken.clear()) {
    {
      Lock lock(registry().mutex);
      for (ThreadCache* each : registry().caches) each->drain(tier, taken);
    }
    BufferStore::the_one().give(tier, taken);
  }
  return BufferStore::the_one().trim();
}

}  // namespace buffer_pool

}  // namespace vexfs
