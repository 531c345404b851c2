// SPDX-License-Identifier: Apache-2.0
#include "storage/check_pages.h"

#include <thread>

#include "base/buffer_pool.h"
#include "base/text.h"
#include "storage/check_meter.h"
#include "storage/page.h"

namespace vexfs {

namespace {
constexpr std::size_t kBatch = 32;
}

void PageCheck::add_root(Tree tree, const TreeRoot& root) {
  if (root.page.none()) return;
  add({.pointer = root.page, .tree = tree, .level = root.level, .low = {}, .high = {}});
}

void PageCheck::work_with(unsigned threads) {
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back([this] { work(); });
  work();
  for (std::thread& other : others) other.join();
}

std::set<Tree> PageCheck::run(unsigned threads) {
  {
    Lock lock(mutex_);
    for (unsigned i = 0; i < kTreeCount; ++i)
      add_root(Tree{static_cast<std::uint8_t>(i)}, image_.facts().roots[i]);
  }
  work_with(threads);
  Lock lock(mutex_);
  report_.counts.pages = pages_;
  std::set<Tree> damaged;
  for (unsigned i = 0; i < kTreeCount; ++i)
    if ((damaged_ >> i & 1) != 0) damaged.insert(Tree{static_cast<std::uint8_t>(i)});
  return damaged;
}

bool PageCheck::run_pinned(const std::vector<PinnedRoot>& roots, unsigned threads) {
  pinned_ = true;
  damaged_ = 0;
  for (const PinnedRoot& pinned : roots) {
    {
      Lock lock(mutex_);
      for (unsigned i = 0; i < kTreeCount; ++i)
        add_root(Tree{static_cast<std::uint8_t>(i)}, pinned.roots[i]);
    }
    work_with(threads);
  }
  Lock lock(mutex_);
  report_.counts.pages = pages_;
  return damaged_ == 0;
}

void PageCheck::find(const Item& item, const char* code, std::string sentence) {
  damaged_ |= std::uint64_t{1} << static_cast<unsigned>(item.tree);
  report_.add({.code = code,
               .severity = Severity::error,
               .where = format("tree {}, level {}, page {}", name_of(item.tree), item.level,
                               std::uint64_t{item.pointer.address}),
               .sentence = std::move(sentence),
               .repairable = item.tree == Tree::free_space});
}

// Only a page in a place of its own is read: what this walks is a tree.
void PageCheck::add(Item item) {
  const std::uint64_t address = item.pointer.address;
  const Extent extent{.first = BlockNo{address}, .blocks = kPageBlocks};
  if (!image_.holds_page(address))
    return find(item, "page-outside", "the pointer to it leads out of the data area");
  if (pinned_) return add_pinned(std::move(item));
  const bool unrecorded = item.tree == Tree::free_space || item.tree == Tree::snapshot;
  const auto kind = unrecorded ? BlockClaims::Kind::unrecorded : BlockClaims::Kind::recorded;
  if (claims_.claim(extent, kind) != BlockClaims::Claimed::yes) {
    image_.close(item.tree);
    return find(item, "block-twice", "another page lies on its blocks");
  }
  ++pages_;
  if (image_.has_snapshots()) seen_.insert(address);
  rest_.push_back(std::move(item));
}

// A page that a tree of today has too was looked at with all that is below it.
void PageCheck::add_pinned(Item item) {
  const std::uint64_t address = item.pointer.address;
  if (!seen_.insert(address).second) return;
  for (unsigned i = 0; i < kPageBlocks; ++i)
    if (!claims_.groups().owned(address + i))
      return find(item, "snapshot-page", "a snapshot holds it, but nothing keeps it");
  ++pages_;
  rest_.push_back(std::move(item));
}

bool PageCheck::take(std::vector<Item>& batch) {
  batch.clear();
  Lock lock(mutex_);
  while (rest_.empty() && busy_ > 0) wake_.wait(mutex_);
  if (meter_.cancelled()) rest_.clear();
  if (rest_.empty()) return false;
  while (!rest_.empty() && batch.size() < kBatch) {
    batch.push_back(std::move(rest_.back()));
    rest_.pop_back();
  }
  ++busy_;
  return true;
}

void PageCheck::work() {
  const Buffer buffer = Buffer::take(kBatch * kPageBytes);
  std::vector<Item> batch;
  std::vector<DeviceRead> reads;
  while (take(batch)) {
    reads.clear();
    for (std::size_t i = 0; i < batch.size(); ++i)
      reads.push_back({.offset = batch[i].pointer.address * kBlockBytes,
                       .into = buffer.bytes().subspan(i * kPageBytes, kPageBytes)});
    const bool all = image_.device().read(reads).has_value();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      // One that cannot be read spoils a batch.
      if (all || image_.device().read(reads[i].offset, reads[i].into))
        look_at(batch[i], reads[i].into);
      else
        find(batch[i], "page-unreadable", "the device cannot read it");
    }
    meter_.add(batch.size() * kPageBlocks);
    {
      Lock lock(mutex_);
      --busy_;
    }
    wake_.notify_all();
  }
}

void PageCheck::look_at(const Item& item, Bytes bytes) {
  const CheckImage::Fault fault = CheckImage::fault_of(bytes, item.pointer, item.tree, item.level);
  if (fault.code != nullptr)
    return find(item, fault.code, format("{}; what is below it cannot be reached", fault.why));
  check_bounds(item, bytes);
  if (item.level == 0) return;
  const PageView page(bytes.data());
  Lock lock(mutex_);
  for (unsigned i = 0; i < page.count(); ++i) {
    const bool last = i + 1 == page.count();
    add({.pointer = page.child(i),
         .tree = item.tree,
         .level = item.level - 1,
         .low = i == 0 ? item.low : std::string(as_text(page.key(i))),
         .high = last ? item.high : std::string(as_text(page.key(i + 1)))});
  }
}

// That keys are in order within the page is PageView::validate()'s part.
void PageCheck::check_bounds(const Item& item, Bytes bytes) {
  const PageView page(bytes.data());
  const unsigned first = item.level > 0 ? 1 : 0;  // cell 0 above the leaves is never compared
  if (first >= page.count()) return;
  const bool below = as_text(page.key(first)) < item.low;
  const bool above = !item.high.empty() && as_text(page.key(page.count() - 1)) >= item.high;
  if (below || above)
    find(item, "page-bounds", "it holds keys that its parent gives to another page");
}

}  // namespace vexfs
