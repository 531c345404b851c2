// SPDX-License-Identifier: Apache-2.0
// The end of an inode, and the long part of a truncation.
//
//   names  open   state
//   some   any    a file
//   none   yes    in Tree::orphan; mount removes it after a crash
//   none   no     gone: record, content and attributes leave in one transaction where they fit,
//                 else the orphan entry stays until bounded steps have freed the rest
//
// What fails there is tried again by the timer, and by mount: nobody else would hear of it.
#include <vector>

#include "base/log.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"
#include "fs/xattrs.h"
#include "storage/extent_edit.h"
#include "storage/rider_format.h"

namespace vexfs {

namespace {

// Of extents and of attribute parts in one transaction; at most 80 bytes of log each.
constexpr std::size_t kRecordsMax = 1000;

struct Freed {
  bool all = false;
  std::int64_t blocks_added = 0;
};

// Into `edit`, and from there into the transaction.
Result<Freed> free_content(Volume& volume, Transaction& transaction, ExtentEdit& edit, Ino ino,
                           Wait wait) {
  VEXFS_TRY(const std::uint64_t done, edit.remove(0, kBlocksEnd, kRecordsMax));
  edit.log(transaction);
  VEXFS_TRY(const bool attributes, erase_xattrs(volume, transaction, ino, kRecordsMax, wait));
  return Freed{.all = done == kBlocksEnd && attributes, .blocks_added = edit.blocks_added()};
}

// Of a file that is not in memory.
Result<> erase_all_riders(Volume& volume, Transaction& transaction, Ino ino) {
  return volume.scan(Tree::rider, rider_key(ino, 0), rider_key(ino, FilePages::kNone),
                     [&](Bytes key, Bytes) {
                       transaction.erase(Tree::rider, key);
                       return true;
                     });
}

}  // namespace

Result<FilesState::Loss> FilesState::lose_last_name(Change& change, Node& node, Wait wait) {
  Transaction& transaction = change.transaction;
  if (node.opens.load() > 0) {
    transaction.put(Tree::orphan, ino_key(node.ino), {});
    return Loss::waits;
  }
  index.log_removed(transaction, node.ino);
  VEXFS_TRY(const Freed freed,
            free_content(volume, transaction, change.edit_extents(node.ino, wait), node.ino, wait));
  erase_riders(transaction, node, 0, FilePages::kNone);
  if (freed.all) {
    change.remove(node);
    if (node.inode.links == 0) transaction.erase(Tree::orphan, ino_key(node.ino));
    return Loss::gone;
  }
  change.edit(node).blocks += static_cast<std::uint64_t>(freed.blocks_added);
  transaction.put(Tree::orphan, ino_key(node.ino), {});
  return Loss::gone_partly;
}

void FilesState::mark_lost(Node& node, Loss loss) {
  if (loss == Loss::waits) return;
  node.removed = true;
  drop_pages(node, 0, FilePages::kNone);
}

void FilesState::tell_lost(NodeRef node, Loss loss) {
  if (loss == Loss::waits) return;
  index.removed(node->ino);
  if (loss == Loss::gone) return;
  const Ino ino = node->ino;
  remove_soon(ino, [this, ino] { return reap(ino); });
}

void FilesState::remove_soon(Ino ino, Removal removal) {
  write_back.submit([this, ino, removal = std::move(removal)]() mutable {
    try_removal(ino, std::move(removal), false);
  });
}

void FilesState::try_removal(Ino ino, Removal removal, bool again) {
  const auto removed = removal();
  if (removed) return;
  if (!again)
    log(Level::warn, "files", "removal is tried again",
        {{"ino", static_cast<std::uint64_t>(ino)},
         {"errno", static_cast<std::uint64_t>(removed.error().code)},
         {"why", std::string_view(removed.error().what)}});
  write_back.submit_later([this, ino, removal = std::move(removal)]() mutable {
    try_removal(ino, std::move(removal), true);
  });
}

Result<> FilesState::reap(Ino ino) {
  for (bool all = false; !all;) {
    Transaction transaction;
    ExtentEdit edit(volume, ino, Wait::allowed);
    VEXFS_TRY(const Freed freed, free_content(volume, transaction, edit, ino, Wait::allowed));
    VEXFS_CHECK(erase_all_riders(volume, transaction, ino));
    all = freed.all;
    if (all) {
      transaction.erase(Tree::inode, ino_key(ino));
      transaction.erase(Tree::orphan, ino_key(ino));
    }
    VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.freeing = true}));
  }
  return {};
}

Result<> FilesState::remove_closed(NodeRef node) {
  Loss loss = Loss::waits;
  {
    VEXFS_TRY(const auto hold, WriteHold::take(volume, *node, Wait::allowed));
    if (node->inode.links != 0 || node->removed || node->opens.load() > 0) return {};
    Change change(volume);
    change.edit(*node);
    VEXFS_TRY(loss, lose_last_name(change, *node, Wait::allowed));
    VEXFS_CHECK(change.commit({.freeing = true}));
    mark_lost(*node, loss);
  }
  tell_lost(std::move(node), loss);
  return {};
}

Result<> FilesState::finish_truncation(Node& node, std::uint64_t from) {
  for (bool all = false; !all;) {
    Change change(volume);
    ExtentEdit& edit = change.edit_extents(node.ino, Wait::allowed);
    VEXFS_TRY(const std::uint64_t done, edit.remove(from, kBlocksEnd, kRecordsMax));
    all = done == kBlocksEnd;
    change.edit(node).blocks += static_cast<std::uint64_t>(edit.blocks_added());
    edit.log(change.transaction);
    if (all) change.transaction.erase(Tree::intent, truncate_intent_key(node.ino));
    VEXFS_CHECK(change.commit({.freeing = true}));
  }
  return {};
}

Result<> FilesState::recover() {
  std::vector<Ino> orphans;
  VEXFS_CHECK(volume.scan(Tree::orphan, ino_key(Ino{0}), {}, [&](Bytes key, Bytes) {
    orphans.push_back(static_cast<Ino>(KeyReader(key).u64()));
    return true;
  }));
  for (const Ino ino : orphans) {
    Transaction transaction;
    index.log_removed(transaction, ino);
    VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.freeing = true}));
    VEXFS_CHECK(reap(ino));
  }
  std::vector<std::pair<Ino, std::uint64_t>> truncations;
  VEXFS_CHECK(volume.scan(Tree::intent, Key().u8(kIntentTruncate), Key().u8(kIntentTruncate + 1),
                          [&](Bytes key, Bytes value) {
                            KeyReader number(key);
                            number.u8();
                            const auto ino = static_cast<Ino>(number.u64());
                            truncations.emplace_back(ino, KeyReader(value).u64());
                            return true;
                          }));
  for (const auto& [ino, from] : truncations) {
    const NodeRef node = nodes.pin(ino);
    VEXFS_TRY(const auto hold, WriteHold::take(volume, *node, Wait::allowed));
    VEXFS_CHECK(finish_truncation(*node, from));
  }
  if (!orphans.empty() || !truncations.empty())
    log(Level::info, "files", "finished what was cut short",
        {{"orphans", std::uint64_t{orphans.size()}},
         {"truncations", std::uint64_t{truncations.size()}}});
  return {};
}

}  // namespace vexfs
