// SPDX-License-Identifier: Apache-2.0
// BTree: one copy-on-write B+tree of a volume, in the page cache.
//
// A page belongs to the generation that made it. The pages of the present generation are dirty
// and change in place; older ones are copied to a new address when they are first changed, and
// their parents with them up to the root. freeze() ends a generation: its pages belong to the
// checkpoint then, which writes them without any latch, for nobody changes them any more.
// A pointer to a page that is not written yet has no check; thaw() fills it in.
//
// Always: a parent of a dirty page is dirty. Dirty pages and pages without a check in their
// parent are in memory.
// Threads: any; one SharedLatch a tree. Reads let it go before they wait for a device.
// Changes hold it from the first prepare() to the last rebalance().
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "base/key.h"
#include "base/wait.h"
#include "storage/page_cache.h"
#include "storage/shared_latch.h"
#include "storage/space_map.h"
#include "storage/superblock.h"

namespace vexfs {

// PageWait: loads what a descent did not find in memory, with no latch held, and keeps it there
// until the operation ends, so that it gets on however small the cache is.
class PageWait {
 public:
  using Missing = PageCache::Wanted;  // its pointer none(): nothing is missing
  // An error for a page that is damaged indeed. A page that was freed meanwhile may look so
  // too; then the next descent does not ask for it again.
  // One that is asked for again and again is damage too: another page has taken its place.
  // `more` comes with it, as far as it can, in the same submission.
  Result<> load(PageCache& cache, const Missing& missing, std::vector<Missing> more = {});

 private:
  static constexpr unsigned kTimesMax = 64;
  std::vector<PageRef> kept_;
  PagePointer failed_, last_;
  unsigned times_ = 0;  // that last_ was asked for
};

class BTree {
 public:
  BTree(Tree tree, PageCache& cache, SpaceMap& space);

  // Before anything else: the root of a checkpoint, and the generation that changes belong to.
  void open(const TreeRoot& root, std::uint64_t generation);

  // --- reading, as Volume declares it
  Result<> get(Bytes key, std::string& value, Wait wait);
  using Visit = FunctionRef<bool(Bytes key, Bytes value)>;
  Result<> scan(Bytes from, Bytes to, Visit visit, Wait wait);
  // Loads what get() of the keys would find missing, one submission a level; best effort.
  void prefetch(std::span<const std::string> keys);
  // Every page from the root down, for the loading of Tree::free_space.
  Result<> visit_pages(FunctionRef<Result<>(std::uint64_t address)> visit);

  // --- changing
  SharedLatch& latch() VEXFS_TSA(lock_returned(latch_)) { return latch_; }
  // How many new pages so many puts take at most.
  std::uint64_t pages_for(std::uint64_t puts) const REQUIRES_SHARED(latch_);
  enum class Ready : std::uint8_t { yes, missing, no_space };
  // Makes every page on the way to `key` dirty. Nothing that a reader sees has changed.
  Ready prepare(Bytes key, bool for_erase, Claim claim, PageWait::Missing& missing)
      REQUIRES(latch_);
  // After prepare() of their key. New pages come out of a promise, so neither fails.
  void put(Bytes key, Bytes value) REQUIRES(latch_);
  // True when its page is now so empty that rebalance() is worth it.
  bool erase(Bytes key) REQUIRES(latch_);
  // After all puts and erases of a transaction: merges or removes the page of `key`.
  void rebalance(Bytes key) REQUIRES(latch_);

  // --- checkpoints
  struct Frozen {
    TreeRoot root;
    std::vector<PageRef> pages;  // dirty until now
  };
  Frozen freeze(std::uint64_t next_generation) EXCLUDES(latch_);
  // The pages of `frozen` are on the device, `checks` by address: parents learn them.
  using Checks = std::unordered_map<std::uint64_t, std::uint64_t>;
  void thaw(const Frozen& frozen, const Checks& checks) EXCLUDES(latch_);

 private:
  struct Step {
    CachedPage* page = nullptr;
    unsigned index = 0;  // of the child that was taken
  };
  struct Path {
    Step steps[kLevelsMax];
    unsigned depth = 0;
  };
  // The leaf for `key`, or what is missing on the way.
  CachedPage* find_leaf(Bytes key, PageWait::Missing& missing) const REQUIRES_SHARED(latch_);
  // Where a scan is: a leaf's parent, good as long as the tree has not changed.
  struct Cursor;
  // The next leaf of a scan, or its first, which holds `cursor.next`.
  CachedPage* next_leaf(Cursor& cursor, PageWait::Missing& missing) const REQUIRES_SHARED(latch_);
  // Its pairs before `to`, copied. False: there are none any more.
  Result<bool> next_pairs(Cursor& cursor, Bytes to, Wait wait);
  // What next_pairs() did not find in memory.
  Result<> load_leaf(Cursor& cursor, Bytes to, const PageWait::Missing& missing, PageWait& pages);
  // The children beside the one for `key` that lie before `to` and are not in memory, after it
  // and at most `max`; of the lowest parent that is in memory.
  std::vector<PageCache::Wanted> leaves_after(Bytes key, Bytes to, std::size_t max) const
      REQUIRES_SHARED(latch_);
  bool is_dirty(const CachedPage& page) const REQUIRES_SHARED(latch_) {
    return page.birth == generation_;
  }
  PagePointer pointer_to(const CachedPage& page) const {
    return {.address = page.address, .check = std::uint64_t{0}, .birth = page.birth};
  }
  // The way to the leaf that was changed last, and which keys belong to that leaf: keys that come
  // in order need one descent a page. The bounds lie in pages of the way, so whatever moves the
  // cells of a parent forgets it. Its pages are dirty: nobody else replaces them.
  struct Finger {
    Path path;
    Bytes low, upper;  // low <= key < upper; an empty `upper`: no end
    bool valid = false;
  };
  bool finger_covers(Bytes key) const REQUIRES(latch_);
  void begin_finger() REQUIRES(latch_);
  void extend_finger(CachedPage& page, Bytes key) REQUIRES(latch_);
  const Path& dirty_path(Bytes key) REQUIRES(latch_);
  PageRef make_page(unsigned level, std::uint64_t address) REQUIRES(latch_);
  PageRef copy_page(const CachedPage& old, std::uint64_t address) REQUIRES(latch_);
  void free_page(const PagePointer& pointer, CachedPage* page) REQUIRES(latch_);
  Result<std::uint64_t> allocate(Claim claim);
  bool recorded() const {
    // storage/space_format.h says why.
    return tree_ != Tree::free_space && tree_ != Tree::snapshot;
  }
  void insert_at(const Path& path, unsigned depth, unsigned index, Bytes key, Bytes value)
      REQUIRES(latch_);
  void raise_root(Bytes border, Bytes right_pointer) REQUIRES(latch_);
  bool merge(CachedPage& parent, unsigned index, CachedPage& page) REQUIRES(latch_);
  enum class Neighbour : bool { below, above };
  bool absorb(const PagePointer& pointer, Neighbour neighbour, CachedPage& page) REQUIRES(latch_);
  void remove_child(CachedPage& parent, unsigned index) REQUIRES(latch_);
  void lower_root() REQUIRES(latch_);

  const Tree tree_;
  PageCache& cache_;
  SpaceMap& space_;
  SharedLatch latch_{Rank::tree, Channel::pages};
  TreeRoot root_ GUARDED_BY(latch_);
  std::uint64_t generation_ GUARDED_BY(latch_) = 0;
  std::uint64_t version_ GUARDED_BY(latch_) = 1;  // another one after each change
  std::vector<PageRef> dirty_ GUARDED_BY(latch_);
  Finger finger_ GUARDED_BY(latch_);
};

}  // namespace vexfs
