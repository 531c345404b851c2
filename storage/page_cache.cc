// SPDX-License-Identifier: Apache-2.0
#include "storage/page_cache.h"

#include <algorithm>

#include "base/metrics.h"
#include "storage/shared_latch.h"

namespace vexfs {

namespace {

constexpr std::size_t kPagesMin = 256;  // a tree's path and a checkpoint need some

struct CacheMetrics {
  Counter& hits = metrics::counter("vexfs_cache_hits_total", "Tree pages found in memory");
  Counter& misses = metrics::counter("vexfs_cache_misses_total", "Tree pages not in memory");
  Counter& evictions = metrics::counter("vexfs_cache_evictions_total", "Tree pages let go");
  Counter& bad =
      metrics::counter("vexfs_page_checksum_failures_total", "Tree pages that did not check");
  Gauge& pages = metrics::gauge("vexfs_cache_pages", "Tree pages in memory");
};

CacheMetrics& cache_metrics() {
  static CacheMetrics& the_one = *new CacheMetrics;
  return the_one;
}

// Pages that nobody refers to any more, until nobody looks at them any more either.
class RetiredPages {
 public:
  void add(CachedPage* page) {
    std::vector<CachedPage*> free;
    {
      Lock lock(mutex_);
      young_.push_back(page);
      if (young_.size() < kBatch || !departure_.complete()) return;
      free = std::exchange(leaving_, std::exchange(young_, {}));
      departure_ = Departure();
    }
    for (CachedPage* const each : free) delete each;
  }

 private:
  static constexpr std::size_t kBatch = 16;
  Mutex mutex_;
  std::vector<CachedPage*> young_ GUARDED_BY(mutex_), leaving_ GUARDED_BY(mutex_);
  Departure departure_ GUARDED_BY(mutex_);  // of those who may look at leaving_
};

// Never destroyed, and shared by all caches: readers are known by thread.
RetiredPages& retired_pages() {
  static RetiredPages& the_one = *new RetiredPages;
  return the_one;
}

}  // namespace

void PageRef::retire(CachedPage* page) {
  retired_pages().add(page);
}

PageCache::PageCache(BlockDevice& device, std::size_t bytes_max)
    : device_(device),
      shard_pages_max_(std::max(kPagesMin, bytes_max / kPageBytes) / kShards),
      index_(shard_pages_max_ * kShards) {
  static_assert(kShards == 16);  // shard_of() takes four bits
}

CachedPage* PageCache::find(const PagePointer& pointer) {
  // The metric's cache line is shared by all threads.
  constexpr unsigned kHitsPerReport = 256;
  CachedPage* page = index_.find(pointer.address, pointer.birth);
  if (page == nullptr) page = find_in_shard(pointer);
  if (page == nullptr) {
    cache_metrics().misses.add();
    return nullptr;
  }
  // Written only when it changes: readers of one hot page share its cache line.
  if (!page->recent_.load(std::memory_order_relaxed))
    page->recent_.store(true, std::memory_order_relaxed);
  constinit thread_local unsigned hits = 0;
  if (++hits % kHitsPerReport == 0) cache_metrics().hits.add(kHitsPerReport);
  return page;
}

// A page whose bucket of the index is full.
CachedPage* PageCache::find_in_shard(const PagePointer& pointer) {
  Shard& shard = shard_of(pointer.address);
  Lock lock(shard.mutex);
  const auto found = shard.pages.find(pointer.address);
  if (found == shard.pages.end() || found->second->birth != pointer.birth) return nullptr;
  index_.put(*found->second);
  return &*found->second;
}

Result<PageRef> PageCache::load(const PagePointer& pointer, Tree tree, unsigned level) {
  PageRef page(new CachedPage(pointer.address, pointer.birth));
  VEXFS_CHECK(device_.read(pointer.address * kBlockBytes, page->bytes()));
  const PageHeader header = page->view().header();
  const bool meant = page_check(page->bytes()) == pointer.check &&
                     header.address == pointer.address && header.birth == pointer.birth &&
                     header.tree == static_cast<std::uint8_t>(tree) && header.level == level &&
                     PageView::validate(page->bytes()).has_value();
  if (!meant) {
    cache_metrics().bad.add();
    return fail(EUCLEAN, "page: content does not check");
  }
  Shard& shard = shard_of(pointer.address);
  Lock lock(shard.mutex);
  if (const auto found = shard.pages.find(pointer.address); found != shard.pages.end()) {
    // Somebody was faster, or the address has a younger page: that one stays.
    if (found->second->birth == pointer.birth) return found->second;
    if (found->second->birth > pointer.birth) return page;
  }
  insert(shard, page);
  evict_beyond_budget(shard);
  return page;
}

PageRef PageCache::make(std::uint64_t address, std::uint64_t birth) {
  PageRef page(new CachedPage(address, birth));
  Shard& shard = shard_of(address);
  Lock lock(shard.mutex);
  insert(shard, page);
  evict_beyond_budget(shard);
  return page;
}

void PageCache::drop(CachedPage& page) {
  Shard& shard = shard_of(page.address);
  Lock lock(shard.mutex);
  const auto found = shard.pages.find(page.address);
  if (found != shard.pages.end() && &*found->second == &page) remove(shard, page);
}

void PageCache::insert(Shard& shard, const PageRef& page) {
  PageRef& entry = shard.pages[page->address];
  if (entry) {
    index_.take_out(*entry);
    page->clock_at_ = entry->clock_at_;
    shard.clock[page->clock_at_] = &*page;
  } else {
    page->clock_at_ = shard.clock.size();
    shard.clock.push_back(&*page);
    cache_metrics().pages.add(1);
  }
  entry = page;
  index_.put(*page);
}

void PageCache::remove(Shard& shard, CachedPage& page) {
  CachedPage* const last = shard.clock.back();
  last->clock_at_ = page.clock_at_;
  shard.clock[page.clock_at_] = last;
  shard.clock.pop_back();
  cache_metrics().pages.add(-1);
  index_.take_out(page);
  shard.pages.erase(page.address);  // the last: it may end the page
}

void PageCache::evict_beyond_budget(Shard& shard) {
  // Bounded: when most pages are dirty, the next insertion goes on where this one gave up.
  for (unsigned tries = 0; tries < 64 && shard.pages.size() > shard_pages_max_; ++tries) {
    if (shard.hand >= shard.clock.size()) shard.hand = 0;
    CachedPage& page = *shard.clock[shard.hand];
    const bool in_use = page.references_.load(std::memory_order_acquire) > 1;
    if (in_use || page.recent_.exchange(false, std::memory_order_relaxed)) {
      ++shard.hand;
      continue;
    }
    remove(shard, page);
    cache_metrics().evictions.add();
  }
}

}  // namespace vexfs
