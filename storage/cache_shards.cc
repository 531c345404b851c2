// SPDX-License-Identifier: Apache-2.0
#include "storage/cache_shards.h"

#include <algorithm>
#include <bit>

#include "base/metrics.h"
#include "storage/shared_latch.h"

namespace vexfs {

namespace {

struct CacheMetrics {
  Counter& hits = metrics::counter("vexfs_cache_hits_total", "Tree pages found in memory");
  Counter& misses = metrics::counter("vexfs_cache_misses_total", "Tree pages not in memory");
  Counter& evictions = metrics::counter("vexfs_cache_evictions_total", "Tree pages let go");
  Counter& admissions = metrics::counter("vexfs_cache_admissions_total",
                                         "New tree pages that displaced others in the cache");
  Counter& rejections = metrics::counter("vexfs_cache_rejections_total",
                                         "New tree pages let go for being asked for too rarely");
  Gauge& pages = metrics::gauge("vexfs_cache_pages", "Tree pages in memory");
  Gauge& window = metrics::gauge("vexfs_cache_window_pages", "Room for newly come tree pages");
};

CacheMetrics& cache_metrics() {
  static CacheMetrics& the_one = *new CacheMetrics;
  return the_one;
}

// Entries that nobody refers to any more, until nobody looks at them any more either.
class RetiredEntries {
 public:
  void add(CacheEntry* entry) {
    std::vector<CacheEntry*> free;
    {
      Lock lock(mutex_);
      young_.push_back(entry);
      if (young_.size() < kBatch || !departure_.complete()) return;
      free = std::exchange(leaving_, std::exchange(young_, {}));
      departure_ = Departure();
    }
    for (CacheEntry* const each : free) delete each;
  }

 private:
  static constexpr std::size_t kBatch = 16;
  Mutex mutex_;
  std::vector<CacheEntry*> young_ GUARDED_BY(mutex_), leaving_ GUARDED_BY(mutex_);
  Departure departure_ GUARDED_BY(mutex_);  // of those who may look at leaving_
};

// Never destroyed, and shared by all caches: readers are known by thread.
RetiredEntries& retired_entries() {
  static RetiredEntries& the_one = *new RetiredEntries;
  return the_one;
}

}  // namespace

void CacheEntry::retire(CacheEntry* entry) {
  retired_entries().add(entry);
}

// splitmix64: shard, bucket and sketch each take bits of their own.
std::uint64_t CacheEntry::hash_of(std::uint64_t address) {
  address = (address ^ address >> 30) * 0xBF58476D1CE4E5B9u;
  address = (address ^ address >> 27) * 0x94D049BB133111EBu;
  return address ^ address >> 31;
}

CacheEntry::CacheEntry(std::uint64_t its_address, std::uint64_t its_birth, bool is_upper)
    : address(its_address), birth(its_birth), upper_(is_upper) {
  hash = hash_of(its_address);
}

CacheShards::Shard::Shard(std::size_t capacity) : policy(capacity) {}

CacheShards::CacheShards(std::size_t entries_max)
    : entries_max_(entries_max), index_(entries_max), climber_(entries_max) {
  static_assert(kShards == 16);  // shard_of() takes four bits
  hits_here() = 0;
  for (auto& shard : shards_) {
    shard = std::make_unique<Shard>(entries_max / kShards);
    Lock lock(shard->mutex);
    set_buckets(*shard, entries_max / kShards);
  }
}

CacheShards::~CacheShards() {
  for (auto& shard : shards_) {
    Lock lock(shard->mutex);
    cache_metrics().pages.add(-static_cast<std::int64_t>(shard->policy.size()));
    for (CacheEntry* entry : shard->buckets)
      while (entry != nullptr) {
        CacheEntry* const next = entry->next_in_bucket_;
        if (entry->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
          CacheEntry::retire(entry);
        entry = next;
      }
  }
}

// Where the entry of this address hangs, or the end of its chain.
CacheShards::Chain* CacheShards::find_in(Shard& shard, std::uint64_t hash, std::uint64_t address) {
  Chain* at = &shard.buckets[hash >> 16 & (shard.buckets.size() - 1)];
  while (*at != nullptr && (*at)->address != address) at = &(*at)->next_in_bucket_;
  return at;
}

void CacheShards::add(Shard& shard, CacheEntry* entry) {
  entry->references_.fetch_add(1, std::memory_order_relaxed);  // the cache's own
  Chain* const at = find_in(shard, entry->hash, entry->address);
  entry->next_in_bucket_ = nullptr;
  *at = entry;
  shard.policy.insert(*entry, entry->upper_);
  index_.put(*entry);
  cache_metrics().pages.add(1);
}

void CacheShards::remove(Shard& shard, CacheEntry& entry) {
  Chain* const at = find_in(shard, entry.hash, entry.address);
  *at = entry.next_in_bucket_;
  shard.policy.erase(entry);
  index_.take_out(entry);
  cache_metrics().pages.add(-1);
  // The last: it may end the entry.
  if (entry.references_.fetch_sub(1, std::memory_order_acq_rel) == 1) CacheEntry::retire(&entry);
}

void CacheShards::set_buckets(Shard& shard, std::size_t entries) {
  std::vector<CacheEntry*> old(std::bit_ceil(std::max<std::size_t>(16, entries)));
  if (old.size() == shard.buckets.size()) return;
  old.swap(shard.buckets);
  for (CacheEntry* entry : old)
    while (entry != nullptr) {
      CacheEntry* const next = std::exchange(entry->next_in_bucket_, nullptr);
      *find_in(shard, entry->hash, entry->address) = entry;
      entry = next;
    }
}

// An entry whose bucket of the index is full.
CacheEntry* CacheShards::find_in_shard(std::uint64_t address, std::uint64_t birth) {
  const std::uint64_t hashed = CacheEntry::hash_of(address);
  Shard& shard = shard_of(hashed);
  Lock lock(shard.mutex);
  CacheEntry* const entry = *find_in(shard, hashed, address);
  if (entry == nullptr || entry->birth != birth) return nullptr;
  index_.put(*entry);
  return entry;
}

void CacheShards::count_hits() {
  cache_metrics().hits.add(kHitsPerReport);
  hits_.fetch_add(kHitsPerReport, std::memory_order_relaxed);
}

void CacheShards::count_miss() {
  cache_metrics().misses.add();
  misses_.fetch_add(1, std::memory_order_relaxed);
}

bool CacheShards::holds(std::uint64_t address, std::uint64_t birth) {
  const std::uint64_t hashed = CacheEntry::hash_of(address);
  Shard& shard = shard_of(hashed);
  Lock lock(shard.mutex);
  const CacheEntry* const entry = *find_in(shard, hashed, address);
  return entry != nullptr && entry->birth == birth;
}

CacheShards::Ref CacheShards::insert(Ref entry) {
  Shard& shard = shard_of(entry->hash);
  Lock lock(shard.mutex);
  CacheEntry* const there = *find_in(shard, entry->hash, entry->address);
  if (there != nullptr && there->birth >= entry->birth) return Ref(there);
  if (there != nullptr) remove(shard, *there);
  add(shard, &*entry);
  // Bounded: when most entries are referred to, the next insertion goes on.
  evict(shard, 4);
  return entry;
}

bool CacheShards::insert_if_room(Ref entry) {
  Shard& shard = shard_of(entry->hash);
  Lock lock(shard.mutex);
  if (*find_in(shard, entry->hash, entry->address) != nullptr) return true;
  if (shard.policy.size() >= shard.policy.capacity()) return false;
  add(shard, &*entry);
  return true;
}

void CacheShards::drop(const CacheEntry& entry) {
  Shard& shard = shard_of(entry.hash);
  Lock lock(shard.mutex);
  CacheEntry* const here = *find_in(shard, entry.hash, entry.address);
  if (here == &entry) remove(shard, *here);
}

// Up to `count` entries beyond the budget; false when nothing more can go.
bool CacheShards::evict(Shard& shard, unsigned count) {
  const auto may_go = [](TinyLfu::Node& node) {
    return static_cast<CacheEntry&>(node).references_.load(std::memory_order_acquire) == 1;
  };
  if (!shard.policy.over()) return false;
  const unsigned share = climber_.climb(hits_.load(std::memory_order_relaxed),
                                        misses_.load(std::memory_order_relaxed));
  shard.policy.set_window(share);
  cache_metrics().window.set(static_cast<std::int64_t>(entries_max() * share / TinyLfu::kShareAll));
  for (; count > 0 && shard.policy.over(); --count) {
    TinyLfu::Node* const node = shard.policy.victim(may_go);
    if (node == nullptr) return false;
    remove(shard, static_cast<CacheEntry&>(*node));
    ++shard.evictions;
    cache_metrics().evictions.add();
  }
  const std::uint64_t admissions = shard.policy.admissions();
  const std::uint64_t rejections = shard.policy.rejections();
  cache_metrics().admissions.add(admissions - std::exchange(shard.admissions_told, admissions));
  cache_metrics().rejections.add(rejections - std::exchange(shard.rejections_told, rejections));
  return shard.policy.over();
}

void CacheShards::resize(std::size_t entries_max) {
  const bool same = entries_max_.exchange(entries_max, std::memory_order_relaxed) == entries_max;
  if (!same) climber_.resize(entries_max);
  for (auto& each : shards_) {
    Shard& shard = *each;
    if (!same) {
      Lock lock(shard.mutex);
      shard.policy.resize(entries_max / kShards);
      set_buckets(shard, entries_max / kShards);
    }
    // In steps, so that nobody waits long for the lock.
    for (bool more = true; more;) {
      constexpr unsigned kPerStep = 64;
      Lock lock(shard.mutex);
      more = evict(shard, kPerStep);
    }
  }
}

CacheStats CacheShards::stats() {
  CacheStats sum{.hits = hits_.load(std::memory_order_relaxed),
                 .misses = misses_.load(std::memory_order_relaxed)};
  for (auto& each : shards_) {
    Shard& shard = *each;
    Lock lock(shard.mutex);
    sum.evictions += shard.evictions;
    sum.admissions += shard.policy.admissions();
    sum.rejections += shard.policy.rejections();
    sum.entries += shard.policy.size();
    sum.upper += shard.policy.size_of(TinyLfu::Segment::upper);
    sum.window_max += shard.policy.window_max();
  }
  sum.entries_max = entries_max();
  return sum;
}

void CacheShards::visit_hottest(std::size_t max, FunctionRef<void(CacheEntry&)> visit) {
  struct Heat {
    unsigned heat = 0;
    TinyLfu::Node* node = nullptr;
  };
  std::vector<Heat> all;
  for (auto& each : shards_) {
    Shard& shard = *each;
    all.clear();
    Lock lock(shard.mutex);
    shard.policy.visit([&](TinyLfu::Node& node) {
      all.push_back({.heat = shard.policy.heat(node), .node = &node});
      return true;
    });
    const std::size_t count = std::min(all.size(), max / kShards);
    std::ranges::partial_sort(all, all.begin() + static_cast<std::ptrdiff_t>(count),
                              std::ranges::greater{}, &Heat::heat);
    for (std::size_t i = 0; i < count; ++i) visit(static_cast<CacheEntry&>(*all[i].node));
  }
}

}  // namespace vexfs
