// SPDX-License-Identifier: Apache-2.0
// CacheShards: entries in memory by address and birth, in shards, TinyLfu choosing who stays.
//
// Always: what find() returns has exactly that address and birth (an address may be used again,
// a birth never). An entry that anybody refers to is never evicted. The memory of an entry that
// nobody refers to is used again when everybody who was inside a latch then has left. A hit takes
// no lock and allocates nothing: a look into the index and, while it is small, one byte.
// Threads: any; a shard's lock is held for nothing but tables in memory.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "storage/page_index.h"
#include "storage/tiny_lfu.h"
#include "storage/window_climber.h"

namespace vexfs {

class CacheEntry : private TinyLfu::Node {
 public:
  // `upper`: favoured, see TinyLfu.
  CacheEntry(std::uint64_t its_address, std::uint64_t its_birth, bool is_upper);
  virtual ~CacheEntry() = default;
  CacheEntry(const CacheEntry&) = delete;
  CacheEntry& operator=(const CacheEntry&) = delete;

  const std::uint64_t address;
  const std::uint64_t birth;

 private:
  template <class Entry>
  friend class CacheRef;
  friend class CacheShards;
  static std::uint64_t hash_of(std::uint64_t address);
  // Nobody refers to it; readers inside a latch may still look at it.
  static void retire(CacheEntry* entry);
  // --- guarded by the shard's lock
  CacheEntry* next_in_bucket_ = nullptr;  // and what TinyLfu keeps
  // --- end of guarded
  std::atomic<unsigned> references_{0};
  const bool upper_;
};

// Keeps an entry in memory. Counted in the entry, because the cache asks whether it is the last.
template <class Entry>
class CacheRef {
 public:
  CacheRef() = default;
  explicit CacheRef(Entry* entry) : entry_(entry) {
    if (entry_ != nullptr) entry_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  CacheRef(const CacheRef& other) : CacheRef(other.entry_) {}
  CacheRef(CacheRef&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  CacheRef& operator=(CacheRef other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~CacheRef() {
    if (entry_ != nullptr && entry_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      CacheEntry::retire(entry_);
  }
  Entry* operator->() const { return entry_; }
  Entry& operator*() const { return *entry_; }
  explicit operator bool() const { return entry_ != nullptr; }
  // The same reference, for who knows that the entry is of this class.
  template <class Other>
  CacheRef<Other> as() && {
    CacheRef<Other> other;
    other.entry_ = static_cast<Other*>(std::exchange(entry_, nullptr));
    return other;
  }

 private:
  template <class Other>
  friend class CacheRef;
  Entry* entry_ = nullptr;
};

struct CacheStats {
  std::uint64_t hits = 0;  // in 256s, of each thread
  std::uint64_t misses = 0;
  std::uint64_t admissions = 0;  // came out of the window and displaced another entry
  std::uint64_t rejections = 0;  // came out of the window and went
  std::uint64_t evictions = 0;   // rejections among them
  std::size_t entries = 0, entries_max = 0;
  std::size_t upper = 0;       // favoured ones among them
  std::size_t window_max = 0;  // room for those that came last
};

class CacheShards {
 public:
  using Ref = CacheRef<CacheEntry>;
  explicit CacheShards(std::size_t entries_max);
  ~CacheShards();

  // nullptr when it is not here. Only inside a latch of Channel::pages, and only good there.
  CacheEntry* find(std::uint64_t address, std::uint64_t birth) {
    CacheEntry* entry = index_.find(address, birth);
    if (entry == nullptr) entry = find_in_shard(address, birth);
    if (entry == nullptr) {
      count_miss();
      return nullptr;
    }
    entry->hit();
    if (++hits_here() % kHitsPerReport == 0) count_hits();
    return entry;
  }
  // The same from anywhere, and without counting: nobody asks for it, somebody looks.
  bool holds(std::uint64_t address, std::uint64_t birth);
  // Takes it in, in place of an older birth; what is in the cache for its address now. That is
  // another entry when the same birth or a younger one has come first.
  Ref insert(Ref entry);
  // Takes it in only where that evicts nothing: false when there is no room.
  bool insert_if_room(Ref entry);
  void drop(const CacheEntry& entry);

  std::size_t entries_max() const { return entries_max_.load(std::memory_order_relaxed); }
  // At any time; what is too much goes at once, as far as it can be spared.
  void resize(std::size_t entries_max);
  CacheStats stats();
  // Of each shard the most wanted, upper ones before all; at most `max`. `visit` runs with a
  // shard's lock held.
  void visit_hottest(std::size_t max, FunctionRef<void(CacheEntry&)> visit);

 private:
  static constexpr unsigned kShards = 16;
  struct alignas(64) Shard {
    explicit Shard(std::size_t capacity);
    Mutex mutex{Rank::cache};
    TinyLfu policy GUARDED_BY(mutex);
    std::vector<CacheEntry*> buckets GUARDED_BY(mutex);  // a power of two; each a chain
    std::uint64_t evictions GUARDED_BY(mutex) = 0;
    // As the metrics know them, which all shards share.
    std::uint64_t admissions_told GUARDED_BY(mutex) = 0, rejections_told GUARDED_BY(mutex) = 0;
  };
  using Chain = CacheEntry*;

  Shard& shard_of(std::uint64_t hash) { return *shards_[hash >> 60]; }
  static Chain* find_in(Shard& shard, std::uint64_t hash, std::uint64_t address)
      REQUIRES(shard.mutex);
  void add(Shard& shard, CacheEntry* entry) REQUIRES(shard.mutex);
  void remove(Shard& shard, CacheEntry& entry) REQUIRES(shard.mutex);
  static void set_buckets(Shard& shard, std::size_t entries) REQUIRES(shard.mutex);
  bool evict(Shard& shard, unsigned count) REQUIRES(shard.mutex);
  CacheEntry* find_in_shard(std::uint64_t address, std::uint64_t birth);
  static constexpr unsigned kHitsPerReport = 256;
  // Hits of this thread; the counters' cache lines are shared by all. A new cache begins at 0 on
  // the thread that makes it: hits of another one before it would decide when it looks at its
  // window.
  static unsigned& hits_here() {
    constinit thread_local unsigned hits = 0;
    return hits;
  }
  void count_hits();
  void count_miss();

  std::atomic<std::size_t> entries_max_;
  PageIndex index_;
  std::atomic<std::uint64_t> hits_{0}, misses_{0};
  WindowClimber climber_;
  std::array<std::unique_ptr<Shard>, kShards> shards_;
};

}  // namespace vexfs
