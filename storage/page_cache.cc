// SPDX-License-Identifier: Apache-2.0
#include "storage/page_cache.h"

#include <algorithm>

#include "base/metrics.h"

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

}  // namespace

PageCache::PageCache(BlockDevice& device, std::size_t bytes_max)
    : device_(device), shard_pages_max_(std::max(kPagesMin, bytes_max / kPageBytes) / kShards) {
  static_assert(kShards == 16);  // shard_of() takes four bits
}

PageRef PageCache::find(const PagePointer& pointer) {
  constexpr unsigned kHitsPerReport = 64;
  Shard& shard = shard_of(pointer.address);
  {
    Lock lock(shard.mutex);
    const auto found = shard.pages.find(pointer.address);
    if (found != shard.pages.end() && found->second->birth == pointer.birth) {
      CachedPage& page = *found->second;
      // Written only when it changes: readers of one hot page share its cache line.
      if (!page.recent_.load(std::memory_order_relaxed))
        page.recent_.store(true, std::memory_order_relaxed);
      if (++shard.hits == kHitsPerReport) {
        cache_metrics().hits.add(kHitsPerReport);
        shard.hits = 0;
      }
      return found->second;
    }
  }
  cache_metrics().misses.add();
  return {};
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
    page->clock_at_ = entry->clock_at_;
    shard.clock[page->clock_at_] = &*page;
  } else {
    page->clock_at_ = shard.clock.size();
    shard.clock.push_back(&*page);
    cache_metrics().pages.add(1);
  }
  entry = page;
}

void PageCache::remove(Shard& shard, CachedPage& page) {
  CachedPage* const last = shard.clock.back();
  last->clock_at_ = page.clock_at_;
  shard.clock[page.clock_at_] = last;
  shard.clock.pop_back();
  cache_metrics().pages.add(-1);
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
