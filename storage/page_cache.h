// SPDX-License-Identifier: Apache-2.0
// PageCache: tree pages in memory, by address, in shards.
//
//   page     whose reference keeps it                 content        evicted
//   clean    the cache's                              never changes  when old, beyond the budget
//   dirty    also the tree's list of dirty pages      by its tree    never
//   frozen   also the running checkpoint's            never changes  never
//
// Always: what find() returns is the page of exactly that pointer (an address may have been
// freed and used again, a birth never). What load() returns has been verified. The memory of a
// page that nobody refers to is used again when everybody who was inside a latch then has left.
// Threads: any. The bytes of a dirty page are guarded by its tree's latch.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/buffer_pool.h"
#include "base/mutex.h"
#include "storage/block_device.h"
#include "storage/page.h"
#include "storage/page_index.h"

namespace vexfs {

class CachedPage {
 public:
  CachedPage(std::uint64_t its_address, std::uint64_t its_birth)
      : address(its_address), birth(its_birth), bytes_(Buffer::take(kPageBytes)) {}

  const std::uint64_t address;
  const std::uint64_t birth;
  bool dead = false;  // freed in the generation that made it; guarded by the tree's latch

  MutableBytes bytes() const { return bytes_.bytes(); }
  PageView view() const { return PageView(bytes_.data()); }
  PageEditor edit() { return PageEditor(bytes_.data()); }

 private:
  friend class PageRef;
  friend class PageCache;
  const Buffer bytes_;
  std::atomic<unsigned> references_{0};
  std::atomic<bool> recent_{true};  // read since the clock's hand passed
  std::size_t clock_at_ = 0;        // place in its shard's clock; guarded by the shard's lock
};

// Keeps a page in memory.
class PageRef {
 public:
  PageRef() = default;
  explicit PageRef(CachedPage* page) : page_(page) {
    if (page_ != nullptr) page_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  PageRef(const PageRef& other) : PageRef(other.page_) {}
  PageRef(PageRef&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
  PageRef& operator=(PageRef other) noexcept {
    std::swap(page_, other.page_);
    return *this;
  }
  ~PageRef() {
    if (page_ != nullptr && page_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      retire(page_);
  }
  CachedPage* operator->() const { return page_; }
  CachedPage& operator*() const { return *page_; }
  explicit operator bool() const { return page_ != nullptr; }

 private:
  // Readers inside a latch may still look at it.
  static void retire(CachedPage* page);
  CachedPage* page_ = nullptr;
};

class PageCache {
 public:
  PageCache(BlockDevice& device, std::size_t bytes_max);

  // nullptr when it is not in memory. Only inside the latch of its tree, and only good there:
  // it takes neither a lock nor a reference when the index knows the page.
  CachedPage* find(const PagePointer& pointer);
  // Reads it in. EUCLEAN when it is not the page that the pointer means.
  Result<PageRef> load(const PagePointer& pointer, Tree tree, unsigned level);
  // A page that is only in memory yet; its bytes are unspecified. Takes the place of whatever
  // the cache held for an earlier life of the address.
  PageRef make(std::uint64_t address, std::uint64_t birth);
  void drop(CachedPage& page);

  std::size_t pages_max() const { return shard_pages_max_ * kShards; }
  // Dirty and frozen pages of all trees.
  std::atomic<std::size_t> dirty_pages{0};

 private:
  static constexpr unsigned kShards = 16;
  struct alignas(64) Shard {
    Mutex mutex{Rank::cache};
    std::unordered_map<std::uint64_t, PageRef> pages GUARDED_BY(mutex);  // by address
    std::vector<CachedPage*> clock GUARDED_BY(mutex);                    // the same pages
    std::size_t hand GUARDED_BY(mutex) = 0;
  };
  Shard& shard_of(std::uint64_t address) {
    // Pages stand on multiples of four blocks; the multiplier spreads what is left.
    return shards_[(address / kPageBlocks * 0x9E3779B97F4A7C15u) >> 60];
  }
  CachedPage* find_in_shard(const PagePointer& pointer);
  void insert(Shard& shard, const PageRef& page) REQUIRES(shard.mutex);
  void remove(Shard& shard, CachedPage& page) REQUIRES(shard.mutex);
  void evict_beyond_budget(Shard& shard) REQUIRES(shard.mutex);

  BlockDevice& device_;
  const std::size_t shard_pages_max_;
  PageIndex index_;
  std::array<Shard, kShards> shards_;
};

}  // namespace vexfs
