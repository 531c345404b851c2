// SPDX-License-Identifier: Apache-2.0
// How what is in memory becomes permanent.
//
// The pages of the generation that ends are written to blocks that nothing durable references,
// so a crash before the superblock leaves the checkpoint before and its log untouched. Levels
// are written from the leaves up, for a parent holds the checks of its children.
#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/discard.h"
#include "storage/io_class.h"
#include "storage/store.h"

namespace vexfs {

namespace {

constexpr std::size_t kPagesPerBatch = 64;  // 1 MiB in flight

struct CheckpointMetrics {
  Histogram& took = metrics::histogram("vexfs_checkpoint_seconds", "One checkpoint");
  Histogram& frozen =
      metrics::histogram("vexfs_checkpoint_freeze_seconds", "Commits held back by a checkpoint");
  Counter& pages = metrics::counter("vexfs_checkpoint_pages_total", "Tree pages written");
  Counter& discarded =
      metrics::counter("vexfs_checkpoint_discarded_bytes", "Freed space given back to the host");
};

CheckpointMetrics& checkpoint_metrics() {
  static CheckpointMetrics& the_one = *new CheckpointMetrics;
  return the_one;
}

// Writes pages in deep batches. Parents are written from a copy that holds their children's
// checks: the page in the cache is still being read and copied.
class PageWriter {
 public:
  // `urgent`: asked before each batch whether somebody waits for it.
  PageWriter(BlockDevice& device, BTree::Checks& checks, FunctionRef<bool()> urgent)
      : device_(device), checks_(checks), urgent_(urgent) {}

  Result<> add(const CachedPage& page) {
    Bytes image = page.bytes();
    if (page.view().level() > 0) {
      copies_.push_back(Buffer::take(kPageBytes));
      std::memcpy(copies_.back().data(), image.data(), kPageBytes);
      PageEditor copy(copies_.back().data());
      for (unsigned i = 0; i < copy.count(); ++i) fill(copy, i);
      image = copies_.back().bytes();
    }
    checks_[page.address] = page_check(image);
    batch_.push_back({.offset = page.address * kBlockBytes, .from = image});
    if (batch_.size() == kPagesPerBatch) return write();
    return {};
  }
  Result<> write() {
    if (batch_.empty()) return {};
    checkpoint_metrics().pages.add(batch_.size());
    const IoClassScope scope(urgent_() ? IoClass::foreground : IoClass::background);
    VEXFS_CHECK(device_.write(batch_));
    batch_.clear();
    copies_.clear();
    return {};
  }

 private:
  void fill(PageEditor& copy, unsigned i) {
    PagePointer child = copy.child(i);
    if (child.check != 0) return;
    const auto found = checks_.find(child.address);
    VEXFS_ASSERT(found != checks_.end());  // its level was written before
    child.check = found->second;
    copy.set_child(i, child);
  }

  BlockDevice& device_;
  BTree::Checks& checks_;
  const FunctionRef<bool()> urgent_;
  std::vector<DeviceWrite> batch_;
  std::vector<Buffer> copies_;
};

std::string group_key(std::uint64_t number) {
  return std::string(as_text(Key().u64(number)));
}

}  // namespace

Result<> Store::checkpoint() {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  VEXFS_CHECK(health_.writable());
  return checkpointer_->run_now();
}

// The superblock of a checkpoint carries the new size: a crash leaves the old one or the new one.
// What is new is handed out after that is durable, or the log might name blocks beyond the end.
Result<> Store::grow(std::uint64_t bytes) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  VEXFS_CHECK(health_.writable());
  const std::uint64_t now = superblock().size_bytes;
  if (bytes < now) return fail(EINVAL, "volume: cannot be made smaller");
  bytes = bytes / kPageBytes * kPageBytes;
  if (bytes <= now) return {};
  VEXFS_CHECK(device_->grow(bytes));
  std::uint64_t wanted = grow_to_;
  while (wanted < bytes && !grow_to_.compare_exchange_weak(wanted, bytes)) {
  }
  VEXFS_CHECK(checkpointer_->run_now());
  log(Level::info, "volume", "grown", {{"from_bytes", now}, {"to_bytes", bytes}});
  return {};
}

Result<> Store::run_checkpoint(bool clean) {
  VEXFS_CHECK(health_.writable());
  if (space_.is_damaged()) {
    health_.end_writing({.code = EUCLEAN, .what = "space: the map contradicts the trees"});
    return fail(EUCLEAN, "space: the map contradicts the trees");
  }
  std::optional<std::string> pin;
  {
    Lock lock(pin_mutex_);
    pin = std::exchange(pin_wanted_, {});
  }
  const bool nothing_new = wal_ != nullptr && wal_->bytes_since_cut() == 0;
  const std::uint64_t grow_to = grow_to_.exchange(0);
  if (nothing_new && !space_.has_pending() && !clean && !pin && !snapshots_.has_work() &&
      grow_to == 0)
    return {};
  Timed timed(checkpoint_metrics().took);
  auto frozen = std::make_unique<Frozen>();
  frozen->grown_to = grow_to;
  Result<> outcome = plan_snapshots(*frozen);
  if (outcome) {
    freeze(*frozen, pin.has_value());
    outcome = record_snapshots(*frozen);
  }
  if (outcome) outcome = record_space(*frozen);
  if (outcome) outcome = write_pages(*frozen);
  if (outcome) outcome = device_->flush(FlushSite::checkpoint_pages);
  if (outcome) outcome = write_root(*frozen, clean);
  if (outcome) {
    complete(*frozen);
    if (pin) keep_pinned(*frozen, *std::move(pin));
    // Step by step until it is gone.
    if (snapshots_.removing() != 0 && checkpointer_ != nullptr && !closed_)
      checkpointer_->request();
  } else {
    health_.end_writing(outcome.error());
    unwritten_ = std::move(frozen);
  }
  return outcome;
}

void Store::freeze(Frozen& frozen, bool pin) {
  Timed timed(checkpoint_metrics().frozen);
  const SharedLatchWrite gate(gate_);
  frozen.generation = generation_++;
  frozen.cut = wal_ != nullptr ? wal_->cut() : replayed_;
  for (unsigned i = 0; i < kTreeCount; ++i) {
    const Tree tree{static_cast<std::uint8_t>(i)};
    if (tree == Tree::free_space || tree == Tree::snapshot) continue;  // freeze_late()
    frozen.trees[i] = trees_[i]->freeze(generation_);
    frozen.pages += frozen.trees[i].pages.size();
  }
  frozen.space = space_.freeze({.next_generation = generation_,
                                .newest_pin = pin ? frozen.generation : snapshots_.newest(),
                                .undead = frozen.step.freed});
  frozen_pages_ = frozen.pages;
}

// Changes one of the trees that checkpoints write, whose pages belong to the generation that ends
// and are not recorded in the map. No value: erased.
Result<> Store::put_frozen(BTree& tree, Bytes key, const std::string* value) {
  PageWait pages;
  for (;;) {
    PageWait::Missing missing;
    {
      const SharedLatchWrite latch(tree.latch());
      const auto ready = tree.prepare(key, value == nullptr, Claim::checkpoint, missing);
      if (ready == BTree::Ready::yes) {
        if (value != nullptr)
          tree.put(key, as_bytes(*value));
        else if (tree.erase(key))
          tree.rebalance(key);
        return {};
      }
      if (ready == BTree::Ready::no_space) return fail(ENOSPC, "checkpoint: no room for the map");
    }
    VEXFS_CHECK(pages.load(cache_, missing));
  }
}

// They are written after all others have been frozen.
void Store::freeze_late(Frozen& frozen, Tree late) {
  const auto index = static_cast<unsigned>(late);
  frozen.trees[index] = tree(late).freeze(frozen.generation + 1);
  frozen.pages += frozen.trees[index].pages.size();
  frozen_pages_ = frozen.pages;
}

// Writes the groups that changed into Tree::free_space.
Result<> Store::record_space(Frozen& frozen) {
  for (const FrozenSpace::Group& group : frozen.space.groups) {
    const std::string key = group_key(group.number);
    VEXFS_CHECK(put_frozen(tree(Tree::free_space), as_bytes(key),
                           group.record.none ? nullptr : &group.record.value));
  }
  freeze_late(frozen, Tree::free_space);
  // What these trees' own pages left free goes with this checkpoint, not with the next.
  const std::vector<Extent> unrecorded = space_.take_pending_unrecorded();
  frozen.space.pending.insert(frozen.space.pending.end(), unrecorded.begin(), unrecorded.end());
  return {};
}

// Replay and close() wait for theirs; of the others those that a commit waits for are urgent.
bool Store::is_urgent() const {
  return checkpointer_ == nullptr || closed_ || checkpointer_->is_urgent();
}

Result<> Store::write_pages(Frozen& frozen) {
  std::vector<const CachedPage*> pages;
  pages.reserve(frozen.pages);
  for (const BTree::Frozen& tree : frozen.trees)
    for (const PageRef& page : tree.pages) pages.push_back(&*page);
  std::ranges::sort(pages, [](const CachedPage* a, const CachedPage* b) {
    const unsigned level_a = a->view().level(), level_b = b->view().level();
    return level_a != level_b ? level_a < level_b : a->address < b->address;
  });
  frozen.checks.reserve(pages.size());
  const auto urgent = [this] { return is_urgent(); };
  PageWriter writer(*device_, frozen.checks, urgent);
  for (const CachedPage* page : pages) VEXFS_CHECK(writer.add(*page));
  return writer.write();
}

Result<> Store::write_root(Frozen& frozen, bool clean) {
  Superblock next = superblock();
  for (unsigned i = 0; i < kTreeCount; ++i) {
    TreeRoot& root = next.roots[i] = frozen.trees[i].root;
    if (root.page.none() || root.page.check != 0) continue;
    const auto found = frozen.checks.find(root.page.address);
    VEXFS_ASSERT(found != frozen.checks.end());
    root.page.check = found->second;
  }
  next.generation = frozen.generation;
  next.checkpoint_lsn = frozen.cut.lsn;
  next.log_position = frozen.cut.position;
  next.clean = clean;
  if (frozen.grown_to != 0) {
    next.size_bytes = frozen.grown_to;
    next.data_end = frozen.grown_to / kPageBytes * kPageBlocks;
  }
  VEXFS_CHECK(write_superblock(*device_, next, FlushSite::checkpoint_root));
  Lock lock(superblock_mutex_);
  superblock_ = next;
  return {};
}

// The checkpoint is durable: its pages are clean, what it let go is free.
void Store::complete(Frozen& frozen) {
  for (unsigned i = 0; i < kTreeCount; ++i) trees_[i]->thaw(frozen.trees[i], frozen.checks);
  cache_.dirty_pages.fetch_sub(frozen.pages, std::memory_order_relaxed);
  frozen_pages_ = 0;
  if (wal_ != nullptr) wal_->checkpointed(frozen.cut);
  if (frozen.grown_to != 0) space_.extend(frozen.grown_to / kPageBytes * kPageBlocks);
  if (options_.discard) discard(frozen.space.pending);
  space_.complete(frozen.space.pending);
}

// Nothing durable knows these blocks any more, and nobody may use them yet: a discard that came
// later could meet the content of their next owner.
void Store::discard(const std::vector<Extent>& freed) {
  constexpr std::size_t kUrgentRangesMax = 32;  // while somebody waits for the space
  std::size_t ranges = 0;
  std::uint64_t blocks = 0;
  for (const BlockRange& range : discard_ranges(freed, {})) {
    const bool awaited = checkpointer_ != nullptr && checkpointer_->is_urgent();
    if (ranges++ >= kUrgentRangesMax && awaited) break;
    device_->discard(range.first * kBlockBytes, range.blocks * kBlockBytes);
    blocks += range.blocks;
  }
  checkpoint_metrics().discarded.add(blocks * kBlockBytes);
}

}  // namespace vexfs
