// SPDX-License-Identifier: Apache-2.0
// The changes of a BTree.
#include <cstring>

#include "base/assert.h"
#include "storage/btree.h"

namespace vexfs {

namespace {

// Below a quarter full a page looks for a neighbour to merge with; together they stay below
// three quarters, so that the next put does not split them again.
constexpr std::size_t kSparseBytes = PageView::kRoom / 4;
constexpr std::size_t kMergedBytesMax = PageView::kRoom / 4 * 3;

// So many cells one behind the other are no accident: more will follow.
constexpr unsigned kRisingMin = 4;

// The shortest key above `left` and not above `right`: parents keep only what tells them apart.
Bytes separator(Bytes left, Bytes right) {
  std::size_t same = 0;
  while (same < left.size() && same < right.size() && left[same] == right[same]) ++same;
  return right.first(same + 1);
}

}  // namespace

Result<std::uint64_t> BTree::allocate(Claim claim) {
  return space_.allocate_page({.claim = claim, .recorded = recorded()});
}

// A put splits at most one page a level and may raise the root. Many split far fewer parents
// than leaves: a parent has at least 50 children.
std::uint64_t BTree::pages_for(std::uint64_t puts) const {
  constexpr std::uint64_t kFew = 64;
  const std::uint64_t height = root_.page.none() ? 0 : root_.level + 1;
  const std::uint64_t above = puts <= kFew ? puts * height : kFew * height + puts / 8;
  return puts + above + 1;
}

PageRef BTree::make_page(unsigned level, std::uint64_t address) {
  PageRef page = cache_.make(address, generation_, level);
  page->edit().init(tree_, level, address, generation_);
  dirty_.push_back(page);
  cache_.dirty_pages.fetch_add(1, std::memory_order_relaxed);
  return page;
}

PageRef BTree::copy_page(const CachedPage& old, std::uint64_t address) {
  PageRef page = cache_.make(address, generation_, old.view().level());
  std::memcpy(page->bytes().data(), old.bytes().data(), kPageBytes);
  page->edit().move_to(address, generation_);
  dirty_.push_back(page);
  cache_.dirty_pages.fetch_add(1, std::memory_order_relaxed);
  free_page(pointer_to(old), nullptr);
  cache_.drop(old);  // nobody asks for it again; a checkpoint that writes it still keeps it
  return page;
}

// `page` where it is dirty; a page of an older generation only loses its place.
void BTree::free_page(const PagePointer& pointer, CachedPage* page) {
  const bool unborn = pointer.birth == generation_;
  space_.free_page(pointer.address,
                   {.unborn = unborn, .recorded = recorded(), .birth = pointer.birth});
  if (!unborn) return;
  page->dead = true;
  cache_.drop(*page);  // dirty_ still keeps it
}

bool BTree::finger_covers(Bytes key) const {
  if (!finger_.valid || as_text(key) < as_text(finger_.low)) return false;
  return finger_.upper.empty() || as_text(key) < as_text(finger_.upper);
}

void BTree::begin_finger() {
  finger_.valid = false;
  finger_.path.depth = 0;
  finger_.low = finger_.upper = {};
}

// The next page of the way, from the root down; the leaf makes it valid.
void BTree::extend_finger(CachedPage& page, Bytes key) {
  Step& step = finger_.path.steps[finger_.path.depth++];
  step = {.page = &page, .index = 0};
  const PageView view = page.view();
  finger_.valid = view.level() == 0;
  if (finger_.valid) return;
  step.index = view.child_of(key);
  if (step.index > 0) finger_.low = view.key(step.index);
  if (step.index + 1 < view.count()) finger_.upper = view.key(step.index + 1);
}

BTree::Ready BTree::prepare(Bytes key, bool for_erase, Claim claim, PageWait::Missing& missing) {
  if (root_.page.none()) {
    if (for_erase) return Ready::yes;
    const auto address = allocate(claim);
    if (!address) return Ready::no_space;
    root_ = {.page = pointer_to(*make_page(0, *address)), .level = 0};
    return Ready::yes;
  }
  if (finger_covers(key)) return Ready::yes;
  if (for_erase) {
    const CachedPage* const leaf = find_leaf(key, missing);
    if (!missing.pointer.none()) return Ready::missing;
    bool equal = false;
    leaf->view().lower_bound(key, equal);
    if (!equal) return Ready::yes;
  }
  PagePointer pointer = root_.page;
  begin_finger();
  for (unsigned level = root_.level;; --level) {
    CachedPage* page = cache_.find(pointer);
    if (page == nullptr) {
      missing = {.pointer = pointer, .tree = tree_, .level = level};
      return Ready::missing;
    }
    if (!is_dirty(*page)) {
      const auto address = allocate(claim);
      if (!address) return Ready::no_space;
      page = &*copy_page(*page, *address);  // dirty_ keeps it
      ++version_;
      if (finger_.path.depth == 0) {
        root_.page = pointer_to(*page);
      } else {
        const Step& above = finger_.path.steps[finger_.path.depth - 1];
        above.page->edit().set_child(above.index, pointer_to(*page));
      }
    }
    extend_finger(*page, key);
    if (level == 0) return Ready::yes;
    pointer = page->view().child(finger_.path.steps[finger_.path.depth - 1].index);
  }
}

// The way to `key` as far as it is in memory and dirty: for a prepared key, to its leaf.
// dirty_ keeps the pages. Good until the next call.
const BTree::Path& BTree::dirty_path(Bytes key) {
  if (finger_covers(key)) return finger_.path;
  begin_finger();
  PagePointer pointer = root_.page;
  for (unsigned level = root_.level; !pointer.none() && pointer.birth == generation_; --level) {
    CachedPage* const page = cache_.find(pointer);
    VEXFS_ASSERT(page != nullptr);
    extend_finger(*page, key);
    if (level == 0) break;
    pointer = page->view().child(finger_.path.steps[finger_.path.depth - 1].index);
  }
  return finger_.path;
}

void BTree::put(Bytes key, Bytes value) {
  ++version_;
  const Path& path = dirty_path(key);
  VEXFS_ASSERT(path.depth == root_.level + 1);
  PageEditor leaf = path.steps[path.depth - 1].page->edit();
  bool equal = false;
  const unsigned index = leaf.lower_bound(key, equal);
  if (equal) {
    if (leaf.value(index).size() == value.size()) return leaf.replace(index, value);
    leaf.remove(index);
  }
  insert_at(path, path.depth - 1, index, key, value);
}

// Inserts a cell into the page at `depth` of the path, splitting upwards as far as needed.
// Bottom up, in one frame: a split puts the new page into the parent, which may split as well.
void BTree::insert_at(const Path& path, unsigned depth, unsigned index, Bytes key, Bytes value) {
  PagePointer added;  // what `value` is above the first level
  for (;;) {
    CachedPage& cached = *path.steps[depth].page;
    PageEditor page = cached.edit();
    CachedPage::Run& run = cached.run;
    run = {.at = index, .length = index == run.at + 1 ? run.length + 1 : 0};
    if (depth + 1 < path.depth) finger_.valid = false;
    if (page.fits(key, value)) return page.insert(index, key, value);
    finger_.valid = false;

    const auto address = allocate(Claim::promised);
    VEXFS_ASSERT(address.has_value());
    const PageRef right_page = make_page(page.level(), *address);
    PageEditor right = right_page->edit();
    const PageEditor::Place place =
        page.split(right, index, key, value,
                   run.length >= kRisingMin ? PageEditor::Order::rising : PageEditor::Order::any);
    (place.in_right ? right : page).insert(place.index, key, value);
    (place.in_right ? right_page->run : run) = {.at = place.index, .length = run.length};

    const Bytes lowest = right.key(0);
    key = page.level() == 0 ? separator(page.key(page.count() - 1), lowest) : lowest;
    added = pointer_to(*right_page);
    value = bytes_of(added);
    if (depth == 0) return raise_root(key, value);
    index = path.steps[--depth].index + 1;
  }
}

// Both halves of the root that was split below a new one.
void BTree::raise_root(Bytes border, Bytes right_pointer) {
  const auto address = allocate(Claim::promised);
  VEXFS_ASSERT(address.has_value());
  const PageRef root = make_page(root_.level + 1, *address);
  root->edit().insert(0, {}, bytes_of(root_.page));
  root->edit().insert(1, border, right_pointer);
  root_ = {.page = pointer_to(*root), .level = root_.level + 1};
}

bool BTree::erase(Bytes key) {
  ++version_;
  const Path& path = dirty_path(key);
  if (path.depth != root_.level + 1 || path.depth == 0) return false;  // it was never there
  PageEditor leaf = path.steps[path.depth - 1].page->edit();
  bool equal = false;
  const unsigned index = leaf.lower_bound(key, equal);
  if (!equal) return false;
  leaf.remove(index);
  return leaf.used() < kSparseBytes;
}

void BTree::rebalance(Bytes key) {
  ++version_;
  const Path& path = dirty_path(key);
  // An earlier rebalance() of this transaction may have moved the key's range to a page that is
  // not dirty; that one was full enough.
  if (path.depth != root_.level + 1) return;
  finger_.valid = false;
  for (unsigned depth = path.depth - 1; depth > 0; --depth) {
    CachedPage& page = *path.steps[depth].page;
    CachedPage& parent = *path.steps[depth - 1].page;
    const unsigned index = path.steps[depth - 1].index;
    if (page.view().count() == 0) {
      remove_child(parent, index);
      free_page(pointer_to(page), &page);
    } else if (page.view().used() >= kSparseBytes || !merge(parent, index, page)) {
      return;
    }
  }
  lower_root();
}

// Merges `page`, child `index` of `parent`, with a neighbour.
bool BTree::merge(CachedPage& parent, unsigned index, CachedPage& page) {
  PageEditor cells = parent.edit();
  if (index + 1 < cells.count() && absorb(cells.child(index + 1), Neighbour::above, page)) {
    cells.remove(index + 1);
    return true;
  }
  if (index > 0 && absorb(cells.child(index - 1), Neighbour::below, page)) {
    // The merged page begins where its lower neighbour did.
    cells.set_child(index - 1, pointer_to(page));
    cells.remove(index);
    return true;
  }
  return false;
}

// Takes the cells of a neighbour that is in memory and small enough, and frees it.
bool BTree::absorb(const PagePointer& pointer, Neighbour neighbour, CachedPage& page) {
  CachedPage* const other = cache_.find(pointer);
  if (other == nullptr || page.view().used() + other->view().used() > kMergedBytesMax) return false;
  page.edit().absorb(other->view(), neighbour == Neighbour::above);
  free_page(pointer, is_dirty(*other) ? other : nullptr);
  return true;
}

// The range of the child goes to the one below it; of the first, to the one above.
void BTree::remove_child(CachedPage& parent, unsigned index) {
  PageEditor cells = parent.edit();
  if (index == 0 && cells.count() > 1) {
    cells.set_child(0, cells.child(1));
    index = 1;
  }
  cells.remove(index);
}

void BTree::lower_root() {
  while (!root_.page.none()) {
    CachedPage* const root = cache_.find(root_.page);
    if (root == nullptr || !is_dirty(*root)) return;
    const PageView view = root->view();
    if (view.count() == 0) {
      free_page(root_.page, root);
      root_ = {};
    } else if (view.level() > 0 && view.count() == 1) {
      const PagePointer child = view.child(0);
      free_page(root_.page, root);
      root_ = {.page = child, .level = root_.level - 1};
    } else {
      return;
    }
  }
}

}  // namespace vexfs
