// SPDX-License-Identifier: Apache-2.0
#include "fs/file_resize.h"

#include <algorithm>
#include <iterator>

#include "fs/file_content.h"
#include "fs/inode_format.h"
#include "storage/extent_edit.h"

namespace vexfs {

namespace {
constexpr std::size_t kRecordsMax = 1000;  // of extents in one transaction
}

Result<> Resize::prepare(std::uint64_t size, Wait wait) {
  Inode& next = change_.edit(node_);
  const std::uint64_t old_size = node_.inode.size;
  if (size > old_size && old_size % kBlockBytes != 0)
    // The block of the old end may hold old bytes behind it on the disk.
    VEXFS_CHECK(zero_in_block(state_, node_, old_size, old_size + kBlockBytes, wait));
  if (size < old_size) {
    cut_ = (size + kBlockBytes - 1) / kBlockBytes;
    ExtentEdit& edit = change_.edit_extents(node_.ino, wait);
    VEXFS_TRY(const std::uint64_t done, edit.remove(cut_, kBlocksEnd, kRecordsMax));
    rest_ = done != kBlocksEnd;
    if (rest_ && wait == Wait::never) return fail(EAGAIN, "files: long truncation");
    edit.log(change_.transaction);
    FilesState::erase_riders(change_.transaction, node_, cut_, FilePages::kNone);
    next.blocks += static_cast<std::uint64_t>(edit.blocks_added());
    if (rest_)
      change_.transaction.put(Tree::intent, truncate_intent_key(node_.ino), Key().u64(cut_));
  }
  next.size = size;
  next.content = state_.clock.next();
  next.mtime_ns = next.ctime_ns = now_ns();
  return {};
}

Result<> Resize::commit(Wait wait) {
  const bool shrinks = cut_ != FilePages::kNone;
  const bool all = !node_.pages.any_pending();
  const std::uint64_t partly = state_.clock.next();
  state_.index.log_changed(change_.transaction, node_.ino,
                           all ? change_.edit(node_).content : partly);
  VEXFS_CHECK(change_.commit({.wait = wait, .freeing = shrinks}, {.content = partly}));
  node_.changed = true;
  if (!shrinks) return {};
  state_.drop_pages(node_, cut_, FilePages::kNone);
  const std::uint64_t size = node_.inode.size;
  if (size % kBlockBytes != 0 && node_.pages.holds(size / kBlockBytes))
    VEXFS_CHECK(zero_in_block(state_, node_, size, size + kBlockBytes, Wait::never));
  node_.flush_on_close = true;
  if (rest_) return state_.finish_truncation(node_, cut_);
  return {};
}

Result<> make_hole(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to,
                   std::vector<FileExtentGroup>& sparse) {
  while (from < to) {
    Change change(state.volume);
    ExtentEdit& edit = change.edit_extents(node.ino, Wait::allowed);
    VEXFS_TRY(const std::uint64_t done, edit.remove(from, to, kRecordsMax));
    edit.log(change.transaction);
    std::ranges::copy(edit.sparse(), std::back_inserter(sparse));
    FilesState::erase_riders(change.transaction, node, from, done);
    Inode& next = change.edit(node);
    next.blocks += static_cast<std::uint64_t>(edit.blocks_added());
    next.content = state.clock.next();
    next.mtime_ns = next.ctime_ns = now_ns();
    const std::uint64_t partly = state.clock.next();
    state.index.log_changed(change.transaction, node.ino,
                            node.pages.any_pending() ? partly : next.content);
    VEXFS_CHECK(change.commit({.freeing = true}, {.content = partly}));
    state.drop_pages(node, from, done);
    node.changed = true;
    from = done;
  }
  return {};
}

}  // namespace vexfs
