// SPDX-License-Identifier: Apache-2.0
// PageCache: tree pages in memory, by address.
//
//   page     whose reference keeps it                 content        evicted
//   clean    the cache's                              never changes  when TinyLfu says so
//   dirty    also the tree's list of dirty pages      by its tree    never
//   frozen   also the running checkpoint's            never changes  never
//
// Pages above the leaves are favoured: as long as they fill no more than half of the cache, no
// leaf and no scan evicts one.
//
// Always: what find() returns is the page of exactly that pointer (an address may have been
// freed and used again, a birth never). What load() returns has been verified. The memory of a
// page that nobody refers to is used again when everybody who was inside a latch then has left.
// Threads: any. The bytes of a dirty page are guarded by its tree's latch.
#pragma once
#include <algorithm>
#include <atomic>
#include <span>
#include <vector>

#include "base/buffer_pool.h"
#include "storage/block_device.h"
#include "storage/cache_shards.h"
#include "storage/page.h"

namespace vexfs {

class CachedPage final : public CacheEntry {
 public:
  CachedPage(std::uint64_t its_address, std::uint64_t its_birth, unsigned level)
      : CacheEntry(its_address, its_birth, level > 0), bytes_(Buffer::take(kPageBytes)) {}

  bool dead = false;  // freed in the generation that made it; guarded by the tree's latch
  // Cells that were inserted one behind the other, the last of them at `at`; the same guard.
  struct Run {
    unsigned at = 0, length = 0;
  };
  Run run;

  MutableBytes bytes() const { return bytes_.bytes(); }
  PageView view() const { return PageView(bytes_.data()); }
  PageEditor edit() { return PageEditor(bytes_.data()); }

 private:
  const Buffer bytes_;
};

// Keeps a page in memory.
using PageRef = CacheRef<CachedPage>;

class PageCache {
 public:
  PageCache(BlockDevice& device, std::size_t bytes_max);

  // nullptr when it is not in memory. Only inside the latch of its tree, and only good there:
  // it takes neither a lock nor a reference when the index knows the page.
  CachedPage* find(const PagePointer& pointer) {
    return static_cast<CachedPage*>(pages_.find(pointer.address, pointer.birth));
  }
  // Reads it in. EUCLEAN when it is not the page that the pointer means.
  Result<PageRef> load(const PagePointer& pointer, Tree tree, unsigned level);
  // Reads many in one submission and adds them to `loaded`, but for those that do not check.
  struct Wanted {
    PagePointer pointer;
    Tree tree{};
    unsigned level = 0;
  };
  Result<> load_many(std::span<const Wanted> wanted, std::vector<PageRef>& loaded);
  // A page that is only in memory yet; its bytes are unspecified. Takes the place of whatever
  // the cache held for an earlier life of the address.
  PageRef make(std::uint64_t address, std::uint64_t birth, unsigned level);
  // Whether it is in memory, from anywhere; nobody has asked for it then.
  bool holds(const PagePointer& pointer) { return pages_.holds(pointer.address, pointer.birth); }
  // A page that somebody has read because it may be wanted soon.
  enum class Offer : std::uint8_t { taken, no_room, not_it };
  Offer offer(const PagePointer& pointer, Bytes page);
  // The most wanted, pages above the leaves before all. `visit` runs with a lock held.
  void visit_hottest(std::size_t max, FunctionRef<void(CachedPage&)> visit) {
    pages_.visit_hottest(max, [&](CacheEntry& entry) { visit(static_cast<CachedPage&>(entry)); });
  }
  void drop(const CachedPage& page) { pages_.drop(page); }

  std::size_t pages_max() const { return pages_.entries_max(); }
  // The budget, at any time. Clean pages beyond it go at once, others when they have become
  // clean and another page comes.
  void set_bytes_max(std::size_t bytes) { pages_.resize(pages_for(bytes)); }
  CacheStats stats() { return pages_.stats(); }
  // Dirty and frozen pages of all trees.
  std::atomic<std::size_t> dirty_pages{0};

 private:
  // Proves that what was read is the page that was wanted, and keeps it.
  Result<PageRef> keep(PageRef page, const Wanted& wanted);
  static std::size_t pages_for(std::size_t bytes) {
    constexpr std::size_t kPagesMin = 256;  // a tree's path and a checkpoint need some
    return std::max(kPagesMin, bytes / kPageBytes);
  }
  BlockDevice& device_;
  CacheShards pages_;
};

}  // namespace vexfs
