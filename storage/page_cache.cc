// SPDX-License-Identifier: Apache-2.0
#include "storage/page_cache.h"

#include <cstring>

#include "base/metrics.h"

namespace vexfs {

PageCache::PageCache(BlockDevice& device, std::size_t bytes_max)
    : device_(device), pages_(pages_for(bytes_max)) {}

Result<PageRef> PageCache::load(const PagePointer& pointer, Tree tree, unsigned level) {
  PageRef page(new CachedPage(pointer.address, pointer.birth, level));
  VEXFS_CHECK(device_.read(pointer.address * kBlockBytes, page->bytes()));
  return keep(std::move(page), {.pointer = pointer, .tree = tree, .level = level});
}

Result<> PageCache::load_many(std::span<const Wanted> wanted, std::vector<PageRef>& loaded) {
  std::vector<PageRef> pages;
  std::vector<DeviceRead> reads;
  pages.reserve(wanted.size());
  reads.reserve(wanted.size());
  for (const Wanted& each : wanted) {
    pages.emplace_back(new CachedPage(each.pointer.address, each.pointer.birth, each.level));
    reads.push_back({.offset = each.pointer.address * kBlockBytes, .into = pages.back()->bytes()});
  }
  VEXFS_CHECK(device_.read(reads));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (auto page = keep(std::move(pages[i]), wanted[i])) loaded.push_back(std::move(*page));
  return {};
}

Result<PageRef> PageCache::keep(PageRef page, const Wanted& wanted) {
  static Counter& bad =
      metrics::counter("vexfs_page_checksum_failures_total", "Tree pages that did not check");
  const PagePointer& pointer = wanted.pointer;
  const PageHeader header = page->view().header();
  const bool meant = page_check(page->bytes()) == pointer.check &&
                     header.address == pointer.address && header.birth == pointer.birth &&
                     header.tree == static_cast<std::uint8_t>(wanted.tree) &&
                     header.level == wanted.level && PageView::validate(page->bytes()).has_value();
  if (!meant) {
    bad.add();
    return fail(EUCLEAN, "page: content does not check");
  }
  PageRef there = pages_.insert(CacheShards::Ref(&*page)).as<CachedPage>();
  // The address may have a younger page by now: that one stays.
  return there->birth == pointer.birth ? there : page;
}

PageCache::Offer PageCache::offer(const PagePointer& pointer, Bytes bytes) {
  const PageHeader header = PageView(bytes.data()).header();
  if (page_check(bytes) != pointer.check || header.address != pointer.address ||
      header.birth != pointer.birth || !PageView::validate(bytes))
    return Offer::not_it;
  const PageRef page(new CachedPage(pointer.address, pointer.birth, header.level));
  std::memcpy(page->bytes().data(), bytes.data(), kPageBytes);
  return pages_.insert_if_room(CacheShards::Ref(&*page)) ? Offer::taken : Offer::no_room;
}

PageRef PageCache::make(std::uint64_t address, std::uint64_t birth, unsigned level) {
  PageRef page(new CachedPage(address, birth, level));
  pages_.insert(CacheShards::Ref(&*page));
  return page;
}

}  // namespace vexfs
