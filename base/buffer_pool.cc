// SPDX-License-Identifier: Apache-2.0
#include "base/buffer_pool.h"

#include <cstdlib>
#include <new>
#include <vector>

#include "base/assert.h"
#include "base/metrics.h"
#include "base/mutex.h"

namespace vexfs {

namespace {

constexpr std::size_t kTiers = kBufferTiers.size();
constexpr std::size_t kKeptPerThread = 4;
constexpr std::size_t kSharedBytesMax = std::size_t{16} << 20;  // per tier

Counter& reused() {
  static Counter& count =
      metrics::counter("vexfs_buffer_reused_total", "Buffers taken from a pool");
  return count;
}
Counter& allocated() {
  static Counter& count =
      metrics::counter("vexfs_buffer_allocated_total", "Buffers taken from the heap");
  return count;
}

std::byte* allocate(std::size_t bytes) {
  const std::size_t alignment = bytes >= 4096 ? 4096 : 64;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  allocated().add();
  return static_cast<std::byte*>(memory);
}

// What no thread keeps for itself.
class Shared {
 public:
  std::byte* take(std::size_t tier) {
    Lock lock(mutex_);
    auto& free = free_[tier];
    if (free.empty()) return nullptr;
    std::byte* memory = free.back();
    free.pop_back();
    return memory;
  }
  void give(std::size_t tier, std::byte* memory) {
    {
      Lock lock(mutex_);
      auto& free = free_[tier];
      if ((free.size() + 1) * kBufferTiers[tier] <= kSharedBytesMax) {
        free.push_back(memory);
        return;
      }
    }
    std::free(memory);
  }

 private:
  Mutex mutex_;
  std::array<std::vector<std::byte*>, kTiers> free_ GUARDED_BY(mutex_);
};

// Never destroyed: thread caches give back to it as late as thread exit.
Shared& shared() {
  static Shared& the_one = *new Shared;
  return the_one;
}

struct ThreadCache {
  struct Tier {
    std::array<std::byte*, kKeptPerThread> kept;
    std::size_t count = 0;
  };
  std::array<Tier, kTiers> tiers{};
  ~ThreadCache() {
    for (std::size_t t = 0; t < kTiers; ++t)
      while (tiers[t].count > 0) shared().give(t, tiers[t].kept[--tiers[t].count]);
  }
};
thread_local ThreadCache cache;

}  // namespace

Buffer Buffer::take(std::size_t bytes) {
  Buffer buffer;
  buffer.size_ = bytes;
  while (buffer.tier_ < kTiers && kBufferTiers[buffer.tier_] < bytes) ++buffer.tier_;
  if (buffer.tier_ == kTiers) {
    buffer.data_ = allocate(bytes);
    return buffer;
  }
  auto& mine = cache.tiers[buffer.tier_];
  buffer.data_ = mine.count > 0 ? mine.kept[--mine.count] : shared().take(buffer.tier_);
  if (buffer.data_ != nullptr)
    reused().add();
  else
    buffer.data_ = allocate(kBufferTiers[buffer.tier_]);
  return buffer;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (tier_ == kTiers) {
    std::free(data_);
    return;
  }
  auto& mine = cache.tiers[tier_];
  if (mine.count < kKeptPerThread)
    mine.kept[mine.count++] = data_;
  else
    shared().give(tier_, data_);
}

}  // namespace vexfs
