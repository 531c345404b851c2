// SPDX-License-Identifier: Apache-2.0
#include "fs/change.h"

#include <algorithm>

#include "base/assert.h"
#include "fs/inode_format.h"

namespace vexfs {

Inode loggable(const Node& node, const Inode& inode, std::uint64_t first_pending) {
  Inode out = inode;
  if (first_pending == FilePages::kNone) return out;
  const std::uint64_t covered = std::max(node.logged_size, first_pending * kBlockBytes);
  out.size = std::min(out.size, covered);
  out.content = node.logged_content;
  return out;
}

Change::One& Change::one(Node& node) {
  for (std::size_t i = 0; i < count_; ++i)
    if ((*all_)[i].node == &node) return (*all_)[i];
  VEXFS_ASSERT(count_ < all_->size());
  One& added = (*all_)[count_++];
  added.node = &node;
  added.next = node.inode;
  return added;
}

Inode& Change::edit(Node& node) {
  return one(node).next;
}

void Change::remove(Node& node) {
  one(node).removed = true;
}

void Change::log(One& change, WrittenSoFar written) {
  const Node& node = *change.node;
  if (change.removed) return transaction.erase(Tree::inode, ino_key(node.ino));
  const std::uint64_t pending =
      written.all ? FilePages::kNone : node.pages.first_pending(written.to);
  change.logged = loggable(node, change.next, pending);
  if (pending != FilePages::kNone && written.content != 0) change.logged.content = written.content;
  transaction.put(Tree::inode, ino_key(node.ino), bytes_of(change.logged.encode()));
}

Result<> Change::commit(Volume::CommitOptions options, WrittenSoFar written) {
  for (std::size_t i = 0; i < count_; ++i) log((*all_)[i], written);
  VEXFS_TRY(const Lsn lsn, volume_.commit(transaction, options));
  extents_.reset();  // what follows may edit extents again
  for (std::size_t i = 0; i < count_; ++i) {
    const One& change = (*all_)[i];
    Node& node = *change.node;
    node.inode = change.next;
    node.logged_size = change.logged.size;
    node.logged_content = change.logged.content;
    node.removed = node.removed || change.removed;
    node.stale_record = !written.all && node.pages.first_pending(written.to) != FilePages::kNone;
    node.loaded.store(true, std::memory_order_release);
    node.lsn.store(static_cast<std::uint64_t>(lsn), std::memory_order_relaxed);
  }
  return {};
}

}  // namespace vexfs
