// SPDX-License-Identifier: Apache-2.0
#include "storage/shared_blocks.h"

#include <algorithm>
#include <optional>

// The lock outlives the function that takes it; this class is the one place that does so.
#define VEXFS_HOLDS VEXFS_TSA(no_thread_safety_analysis)

namespace vexfs {

Result<bool> is_shared(Volume& volume, Extent extent, Wait wait) {
  const auto first = static_cast<std::uint64_t>(extent.first);
  const std::uint64_t before = std::min<std::uint64_t>(first, kExtentBlocksMax - 1);
  std::optional<Error> bad;
  bool any = false;
  VEXFS_CHECK(volume.scan(
      Tree::refcount, refcount_key(BlockNo{first - before}),
      refcount_key(BlockNo{first + extent.blocks}),
      [&](Bytes key, Bytes value) {
        const auto run = decode_refcount(key, value);
        if (!run) bad = run.error();
        any = any || (run && run->end() > first);
        return !bad && !any;
      },
      wait));
  if (bad) return std::unexpected(*bad);
  return any;
}

VEXFS_HOLDS SharedBlocks::~SharedBlocks() {
  if (locked_) volume_.sharing().unlock();
}

VEXFS_HOLDS Result<> SharedBlocks::lock() {
  if (locked_) return {};
  if (wait_ == Wait::allowed)
    volume_.sharing().lock();
  else if (!volume_.sharing().try_lock())
    return fail(EAGAIN, "refcount: another change runs");
  locked_ = true;
  return {};
}

// The records that cover some of these blocks; false: there are none.
Result<bool> SharedBlocks::load(Extent extent) {
  const auto first = static_cast<std::uint64_t>(extent.first);
  const std::uint64_t end = first + extent.blocks;
  const std::uint64_t before = std::min<std::uint64_t>(first, kExtentBlocksMax - 1);
  std::optional<Error> bad;
  bool any = false;
  VEXFS_CHECK(volume_.scan(
      Tree::refcount, refcount_key(BlockNo{first - before}), refcount_key(BlockNo{end}),
      [&](Bytes key, Bytes value) {
        const auto run = decode_refcount(key, value);
        if (!run) {
          bad = run.error();
          return false;
        }
        if (run->end() <= first) return true;
        any = true;
        // What was seen without the lock may change yet.
        if (locked_ && in_tree_.insert(run->first).second) now_.emplace(run->first, *run);
        return true;
      },
      wait_));
  if (bad) return std::unexpected(*bad);
  return any;
}

void SharedBlocks::put(RefcountRun run) {
  changed_.insert(run.first);
  now_[run.first] = run;
}

// Lets a run begin at `at` where one covers it.
void SharedBlocks::split(std::uint64_t at) {
  auto it = now_.lower_bound(at);
  if (it == now_.begin()) return;
  RefcountRun& left = std::prev(it)->second;
  if (left.end() <= at) return;
  RefcountRun right = left;
  right.first = at;
  right.blocks = static_cast<std::uint32_t>(left.end() - at);
  left.blocks -= right.blocks;
  changed_.insert(left.first);
  put(right);
}

Result<> SharedBlocks::add(Extent extent) {
  VEXFS_CHECK(lock());
  VEXFS_TRY([[maybe_unused]] const bool any, load(extent));
  const auto first = static_cast<std::uint64_t>(extent.first);
  const std::uint64_t end = first + extent.blocks;
  split(first);
  split(end);
  for (std::uint64_t at = first; at < end;) {
    const auto it = now_.lower_bound(at);
    const std::uint64_t next = it == now_.end() ? end : std::min(end, it->first);
    if (next > at) put({.first = at, .blocks = static_cast<std::uint32_t>(next - at), .count = 2});
    if (it == now_.end() || it->first >= end) break;
    ++it->second.count;
    changed_.insert(it->first);
    at = it->second.end();
  }
  return {};
}

Result<> SharedBlocks::drop(Extent extent, std::vector<Extent>& freed) {
  VEXFS_TRY(bool any, any_shared(extent));
  if (!any) {
    freed.push_back(extent);
    return {};
  }
  const auto first = static_cast<std::uint64_t>(extent.first);
  const std::uint64_t end = first + extent.blocks;
  split(first);
  split(end);
  for (std::uint64_t at = first; at < end;) {
    const auto it = now_.lower_bound(at);
    const std::uint64_t next = it == now_.end() ? end : std::min(end, it->first);
    if (next > at)
      freed.push_back({.first = BlockNo{at},
                       .blocks = static_cast<std::uint32_t>(next - at),
                       .birth = extent.birth});
    if (it == now_.end() || it->first >= end) break;
    at = it->second.end();
    if (--it->second.count >= 2) {
      changed_.insert(it->first);
    } else {
      changed_.erase(it->first);
      now_.erase(it);
    }
  }
  return {};
}

Result<bool> SharedBlocks::any_shared(Extent extent) {
  VEXFS_TRY(bool any, load(extent));
  if (any && !locked_) {
    VEXFS_CHECK(lock());
    VEXFS_TRY(any, load(extent));
  }
  if (!locked_) return any;
  // This transaction may have begun or ended the sharing.
  const auto first = static_cast<std::uint64_t>(extent.first);
  auto it = now_.lower_bound(first);
  if (it != now_.begin() && std::prev(it)->second.end() > first) return true;
  return it != now_.end() && it->first < first + extent.blocks;
}

std::size_t SharedBlocks::log_bytes() const {
  return (in_tree_.size() + changed_.size()) * 32;
}

void SharedBlocks::log(Transaction& transaction) const {
  for (const std::uint64_t first : in_tree_)
    if (!now_.contains(first)) transaction.erase(Tree::refcount, refcount_key(BlockNo{first}));
  for (const std::uint64_t first : changed_) {
    const RefcountRun& run = now_.at(first);
    const RefcountRecord record{.blocks = run.blocks, .count = run.count};
    transaction.put(Tree::refcount, refcount_key(BlockNo{first}), bytes_of(record));
  }
}

}  // namespace vexfs
