// SPDX-License-Identifier: Apache-2.0
// Reading, and what checkpoints do; btree_change.cc has the changes.
#include "storage/btree.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"
#include "base/log.h"

namespace vexfs {

namespace {

// A key, as long as its scan lasts.
class KeptKey {
 public:
  void operator=(Bytes key) {
    VEXFS_ASSERT(key.size() <= kKeyBytesMax);
    size_ = static_cast<std::uint16_t>(key.size());
    std::copy(key.begin(), key.end(), raw_);
  }
  operator Bytes() const { return {raw_, size_}; }
  bool empty() const { return size_ == 0; }

 private:
  std::uint16_t size_ = 0;
  std::byte raw_[kKeyBytesMax];
};

// Pairs of a leaf, copied so that the latch is free while a visitor looks at them.
class PairCopy {
 public:
  // The pairs of from <= key < to.
  void take(const PageView& leaf, Bytes from, Bytes to) {
    bool equal = false;
    const unsigned begin = from.empty() ? 0 : leaf.lower_bound(from, equal);
    const unsigned end = to.empty() ? leaf.count() : leaf.lower_bound(to, equal);
    bytes_ = 0;
    for (unsigned i = begin; i < end; ++i) {
      const Bytes key = leaf.key(i), value = leaf.value(i);
      const CellHeader header{.key_bytes = static_cast<std::uint16_t>(key.size()),
                              .value_bytes = static_cast<std::uint16_t>(value.size())};
      append(bytes_of(header));
      append(key);
      append(value);
    }
  }
  bool visit(BTree::Visit visit) const {
    for (std::size_t at = 0; at < bytes_;) {
      CellHeader header;
      std::memcpy(&header, buffer_.data() + at, sizeof header);
      const Bytes key(buffer_.data() + at + sizeof header, header.key_bytes);
      const Bytes value(key.data() + key.size(), header.value_bytes);
      if (!visit(key, value)) return false;
      at += sizeof header + key.size() + value.size();
    }
    return true;
  }

 private:
  void append(Bytes bytes) {
    std::copy(bytes.begin(), bytes.end(), buffer_.data() + bytes_);
    bytes_ += bytes.size();
  }
  const Buffer buffer_ = Buffer::take(kPageBytes);
  std::size_t bytes_ = 0;
};

}  // namespace

Result<> PageWait::load(PageCache& cache, const Missing& missing, std::vector<Missing> more) {
  const bool again =
      last_.address == missing.pointer.address && last_.birth == missing.pointer.birth;
  times_ = again ? times_ + 1 : 0;
  last_ = missing.pointer;
  if (times_ > kTimesMax) {
    log(Level::error, "tree", "a page has lost its place to another",
        {{"block", std::uint64_t{missing.pointer.address}}});
    return fail(EUCLEAN, "tree: a page has lost its place to another");
  }
  if (!more.empty()) {
    more.push_back(missing);
    // What fails is asked for again, alone.
    [[maybe_unused]] const auto loaded = cache.load_many(more, kept_);
    const auto meant = [&](const PageRef& page) {
      return page->address == missing.pointer.address && page->birth == missing.pointer.birth;
    };
    if (std::ranges::any_of(kept_, meant)) return {};
  }
  auto page = cache.load(missing.pointer, missing.tree, missing.level);
  if (page) {
    kept_.push_back(std::move(*page));
    return {};
  }
  if (page.error().code == EUCLEAN &&
      (failed_.address != missing.pointer.address || failed_.birth != missing.pointer.birth)) {
    failed_ = missing.pointer;
    return {};
  }
  log(Level::error, "tree", page.error().what,
      {{"tree", static_cast<std::uint64_t>(missing.tree)},
       {"block", std::uint64_t{missing.pointer.address}},
       {"level", std::uint64_t{missing.level}}});
  return std::unexpected(page.error());
}

BTree::BTree(Tree tree, PageCache& cache, SpaceMap& space)
    : tree_(tree), cache_(cache), space_(space) {}

void BTree::open(const TreeRoot& root, std::uint64_t generation) {
  SharedLatchWrite lock(latch_);
  root_ = root;
  generation_ = generation;
  finger_.valid = false;
}

CachedPage* BTree::find_leaf(Bytes key, PageWait::Missing& missing) const {
  missing = {};
  PagePointer pointer = root_.page;
  for (unsigned level = root_.level; !pointer.none(); --level) {
    CachedPage* const page = cache_.find(pointer);
    if (page == nullptr) {
      missing = {.pointer = pointer, .tree = tree_, .level = level};
      return nullptr;
    }
    if (level == 0) return page;
    const PageView view = page->view();
    pointer = view.child(view.child_of(key));
  }
  return nullptr;
}

struct BTree::Cursor {
  PageRef parent;  // none: the root is a leaf
  unsigned index = 0;
  std::uint64_t version = 0;
  std::size_t ahead = 0;  // leaves to read with one that is missing
  PairCopy pairs;         // of the leaf
  // In pooled memory, as the pairs are: on the stack they would be a quarter of it.
  struct Keys {
    KeptKey next;          // of the next leaf; the lowest wanted of it
    KeptKey upper;         // lowest key beyond the leaf; empty: it is the last
    KeptKey parent_upper;  // lowest key beyond the parent; empty: no end
  };
  const Buffer memory = Buffer::take(sizeof(Keys));
  Keys& keys = *new (memory.data()) Keys;
};

CachedPage* BTree::next_leaf(Cursor& cursor, PageWait::Missing& missing) const {
  missing = {};
  const auto leaf_of_parent = [&]() REQUIRES_SHARED(latch_) {
    const PageView view = cursor.parent->view();
    const bool last = cursor.index + 1 == view.count();
    cursor.keys.upper = last ? Bytes(cursor.keys.parent_upper) : view.key(cursor.index + 1);
    const PagePointer pointer = view.child(cursor.index);
    CachedPage* const leaf = cache_.find(pointer);
    if (leaf == nullptr) {
      missing = {.pointer = pointer, .tree = tree_, .level = 0};
      cursor.version = 0;  // the way down again: the wait may be long
    }
    return leaf;
  };
  if (cursor.version == version_ && cursor.parent &&
      cursor.index + 1 < cursor.parent->view().count()) {
    ++cursor.index;
    return leaf_of_parent();
  }
  cursor.parent = {};
  cursor.version = 0;
  cursor.keys.upper = Bytes{};
  cursor.keys.parent_upper = Bytes{};
  PagePointer pointer = root_.page;
  for (unsigned level = root_.level; !pointer.none(); --level) {
    CachedPage* const page = cache_.find(pointer);
    if (page == nullptr) {
      missing = {.pointer = pointer, .tree = tree_, .level = level};
      return nullptr;
    }
    if (level == 0) return page;  // the root
    const PageView view = page->view();
    const unsigned index = view.child_of(cursor.keys.next);
    if (level == 1) {
      cursor.parent = PageRef(page);
      cursor.index = index;
      cursor.version = version_;
      return leaf_of_parent();
    }
    if (index + 1 < view.count()) cursor.keys.parent_upper = view.key(index + 1);
    pointer = view.child(index);
  }
  return nullptr;
}

Result<> BTree::get(Bytes key, std::string& value, Wait wait) {
  PageWait pages;
  for (;;) {
    PageWait::Missing missing;
    {
      SharedLatchRead lock(latch_);
      const CachedPage* const leaf = find_leaf(key, missing);
      if (missing.pointer.none()) {
        bool equal = false;
        const unsigned index = leaf != nullptr ? leaf->view().lower_bound(key, equal) : 0;
        if (!equal) return fail(ENOENT, "tree: no such key");
        value = as_text(leaf->view().value(index));
        return {};
      }
    }
    if (wait == Wait::never) return fail(EAGAIN, "tree: page not in memory");
    VEXFS_CHECK(pages.load(cache_, missing));
  }
}

void BTree::prefetch(std::span<const std::string> keys) {
  std::vector<PageRef> kept;  // until all are there, however small the cache is
  std::vector<PageCache::Wanted> wanted;
  // A level more each time; a tree that changes meanwhile may need more, and goes without.
  for (unsigned round = 0; round < kLevelsMax; ++round, wanted.clear()) {
    {
      SharedLatchRead lock(latch_);
      for (const std::string& key : keys) {
        PageWait::Missing missing;
        find_leaf(as_bytes(key), missing);
        if (!missing.pointer.none()) wanted.push_back(missing);
      }
    }
    const auto address = [](const PageCache::Wanted& each) { return each.pointer.address; };
    std::ranges::sort(wanted, {}, [&](const auto& each) { return std::uint64_t{address(each)}; });
    const auto twins = std::ranges::unique(
        wanted, [&](const auto& a, const auto& b) { return address(a) == address(b); });
    wanted.erase(twins.begin(), twins.end());
    if (wanted.empty()) return;
    const std::size_t before = kept.size();
    if (!cache_.load_many(wanted, kept) || kept.size() == before) return;
  }
}

std::vector<PageCache::Wanted> BTree::leaves_after(Bytes key, Bytes to, std::size_t max) const {
  std::vector<PageCache::Wanted> wanted;
  PagePointer pointer = root_.page;
  for (unsigned level = root_.level; level > 0; --level) {
    const CachedPage* const page = cache_.find(pointer);
    if (page == nullptr) return wanted;
    const PageView view = page->view();
    const unsigned index = view.child_of(key);
    pointer = view.child(index);
    if (level > 1) continue;
    for (unsigned i = index + 1; i < view.count() && wanted.size() < max; ++i) {
      if (!to.empty() && as_text(view.key(i)) >= as_text(to)) break;
      const PagePointer leaf = view.child(i);
      if (leaf.check != 0 && !cache_.holds(leaf))
        wanted.push_back({.pointer = leaf, .tree = tree_, .level = 0});
    }
  }
  return wanted;
}

Result<> BTree::load_leaf(Cursor& cursor, Bytes to, const PageWait::Missing& missing,
                          PageWait& pages) {
  // A scan that has missed before is likely to go on: it then takes ever more leaves at once. They
  // cannot be evicted until all are there, so in a small cache others would go in their place.
  constexpr std::size_t kAheadMax = 64, kCachePart = 32;
  const std::size_t ahead_max = std::min(kAheadMax, cache_.pages_max() / kCachePart);
  std::vector<PageCache::Wanted> more;
  if (missing.level == 0) {
    if (cursor.ahead > 0) {
      SharedLatchRead lock(latch_);
      more = leaves_after(cursor.keys.next, to, cursor.ahead);
    }
    cursor.ahead = std::min(ahead_max, 4 * cursor.ahead + 1);
  }
  return pages.load(cache_, missing, std::move(more));
}

Result<bool> BTree::next_pairs(Cursor& cursor, Bytes to, Wait wait) {
  PageWait pages;
  for (;;) {
    PageWait::Missing missing;
    {
      SharedLatchRead lock(latch_);
      const CachedPage* const leaf = next_leaf(cursor, missing);
      if (missing.pointer.none()) {
        if (leaf == nullptr) return false;
        cursor.pairs.take(leaf->view(), cursor.keys.next, to);
        return true;
      }
    }
    if (wait == Wait::never) return fail(EAGAIN, "tree: page not in memory");
    VEXFS_CHECK(load_leaf(cursor, to, missing, pages));
  }
}

Result<> BTree::scan(Bytes from, Bytes to, Visit visit, Wait wait) {
  Cursor cursor;
  cursor.keys.next = from;
  for (;;) {
    {
      VEXFS_TRY(const bool some, next_pairs(cursor, to, wait));
      if (!some) return {};
    }
    if (!cursor.pairs.visit(visit)) return {};
    const auto& [next, upper, parent_upper] = cursor.keys;
    if (upper.empty() || (!to.empty() && as_text(upper) >= as_text(to))) return {};
    cursor.keys.next = upper;
  }
}

Result<> BTree::visit_pages(FunctionRef<Result<>(std::uint64_t address)> visit) {
  // Only before anybody else sees the tree, so no page changes under the walk.
  SharedLatchRead lock(latch_);
  std::vector<PageWait::Missing> rest;
  if (!root_.page.none())
    rest.push_back({.pointer = root_.page, .tree = tree_, .level = root_.level});
  while (!rest.empty()) {
    const PageWait::Missing next = rest.back();
    rest.pop_back();
    VEXFS_CHECK(visit(next.pointer.address));
    VEXFS_TRY(const PageRef page, cache_.load(next.pointer, next.tree, next.level));
    const PageView view = page->view();
    for (unsigned i = 0; next.level > 0 && i < view.count(); ++i)
      rest.push_back({.pointer = view.child(i), .tree = tree_, .level = next.level - 1});
  }
  return {};
}

BTree::Frozen BTree::freeze(std::uint64_t next_generation) {
  SharedLatchWrite lock(latch_);
  // A commit that was refused after prepare() leaves the root of an empty tree without a key.
  lower_root();
  generation_ = next_generation;
  finger_.valid = false;
  Frozen frozen{.root = root_, .pages = std::exchange(dirty_, {})};
  // A page that was made and freed in one generation is in no tree.
  const auto dead = std::erase_if(frozen.pages, [](const PageRef& page) { return page->dead; });
  cache_.dirty_pages.fetch_sub(dead, std::memory_order_relaxed);
  return frozen;
}

void BTree::thaw(const Frozen& frozen, const Checks& checks) {
  SharedLatchWrite lock(latch_);
  const auto learn = [&checks](PagePointer& pointer) {
    if (pointer.none() || pointer.check != 0) return false;
    const auto found = checks.find(pointer.address);
    if (found == checks.end()) return false;
    pointer.check = found->second;
    return true;
  };
  const auto learn_all = [&learn](CachedPage& page) {
    PageEditor editor = page.edit();
    for (unsigned i = 0; editor.level() > 0 && i < editor.count(); ++i)
      if (PagePointer child = editor.child(i); learn(child)) editor.set_child(i, child);
  };
  // Older parents are in the checkpoint, younger ones are dirty now: see the invariants.
  for (const PageRef& page : frozen.pages) learn_all(*page);
  for (const PageRef& page : dirty_) learn_all(*page);
  learn(root_.page);
}

}  // namespace vexfs
