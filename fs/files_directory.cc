// SPDX-License-Identifier: Apache-2.0
// Directories: listing and fsync. A listing goes on from a cookie, so an open directory has no
// state, and entries that come and go move no others.
#include <algorithm>
#include <optional>
#include <vector>

#include "fs/dentry_format.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"

namespace vexfs {

namespace {

struct Listed {
  Dentry entry;
  std::string name;
};

constexpr std::size_t kBatchMin = 32, kBatchMax = 512;

// The next entries after `after`; fewer than `count` only at the end.
Result<std::vector<Listed>> list_some(FilesState& state, Node& node, std::uint64_t after,
                                      std::size_t count, Wait wait) {
  std::vector<Listed> batch;
  VEXFS_TRY(const auto hold, ReadHold::take(state.volume, node, wait));
  if (!node.inode.is_directory()) return fail(ENOTDIR, "files: readdir of no directory");
  if (node.removed) return batch;
  batch.reserve(count);
  VEXFS_CHECK(state.directory(node.ino).list(
      after,
      [&](const Dentry& entry, std::string_view name) {
        batch.push_back({entry, std::string(name)});
        return batch.size() < count;
      },
      wait));
  return batch;
}

// The inodes of a listing lie all over their tree: what is not in memory comes in one go. Only
// who has met a miss already is here with Wait::allowed.
void prefetch_inodes(FilesState& state, const std::vector<Listed>& batch) {
  std::vector<std::string> keys;
  for (const Listed& listed : batch)
    if (keys.size() < Volume::kPrefetchKeysMax)
      keys.emplace_back(as_text(ino_key(listed.entry.ino)));
  state.volume.prefetch(Tree::inode, keys);
}

// "." and "..", as far as they come after `after`. False: the caller is full.
Result<bool> emit_dots(FilesState& state, Node& node, std::uint64_t after, EmitEntry emit,
                       Wait wait) {
  Ino parent{};
  {
    VEXFS_TRY(const auto hold, ReadHold::take(state.volume, node, wait));
    if (!node.inode.is_directory()) return fail(ENOTDIR, "files: readdir of no directory");
    parent = node.inode.parent;
  }
  const DirectoryEntry dot{
      .name = ".", .node = id_of(node.ino), .mode = S_IFDIR, .next = kDotCookie};
  if (after < kDotCookie && !emit(dot)) return false;
  const DirectoryEntry dots{
      .name = "..", .node = id_of(parent), .mode = S_IFDIR, .next = kDotDotCookie};
  return after >= kDotDotCookie || emit(dots);
}

// The attributes of a listed entry, with a lookup counted; nothing when it is gone meanwhile.
Result<std::optional<Entry>> entry_with_attributes(FilesState& state, const Dentry& entry,
                                                   Wait wait) {
  const NodeRef node = state.nodes.pin(entry.ino);
  const auto hold = ReadHold::take(state.volume, *node, wait);
  if (!hold && hold.error().code == ENOENT) return std::nullopt;
  if (!hold) return std::unexpected(hold.error());
  if (node->removed) return std::nullopt;
  return state.entry_of(*node);
}

enum class Emitted { taken, full };

Result<Emitted> emit_one(FilesState& state, const Listed& listed, bool plus, EmitEntry emit,
                         Wait wait) {
  DirectoryEntry out{.name = listed.name,
                     .node = id_of(listed.entry.ino),
                     .mode = listed.entry.type,
                     .next = listed.entry.cookie};
  if (!plus) return emit(out) ? Emitted::taken : Emitted::full;
  VEXFS_TRY(const auto entry, entry_with_attributes(state, listed.entry, wait));
  if (!entry) return Emitted::taken;  // removed meanwhile: not listed
  out.entry = &*entry;
  if (emit(out)) return Emitted::taken;
  state.nodes.forget(listed.entry.ino, 1);
  return Emitted::full;
}

}  // namespace

Result<Opened> Files::opendir(const Caller&, NodeId id, Wait wait) {
  const NodeRef node = state_->pin(id);
  bool read_time = false;
  {
    VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
    if (!node->inode.is_directory()) return fail(ENOTDIR, "files: opendir of no directory");
    read_time = state_->wants_atime(node->inode);
  }
  if (read_time) state_->note_access(node);
  return Opened{.cache_readdir = state_->options.atime != Atime::strict};
}

void Files::releasedir(NodeId, std::uint64_t) {}

Result<> Files::readdir(const Caller&, NodeId id, std::uint64_t, std::uint64_t after, bool plus,
                        EmitEntry emit, Wait wait) {
  const NodeRef node = state_->pin(id);
  bool some = false;  // has been emitted: then a page miss only ends this answer
  if (after < kDotDotCookie) {
    VEXFS_TRY(const bool room, emit_dots(*state_, *node, after, emit, wait));
    if (!room) return {};
    some = true;
    after = kDotDotCookie;
  }
  for (std::size_t count = kBatchMin;; count = std::min(2 * count, kBatchMax)) {
    const auto batch = list_some(*state_, *node, after, count, wait);
    if (!batch && some && batch.error().code == EAGAIN) return {};
    if (!batch) return std::unexpected(batch.error());
    if (plus && wait == Wait::allowed) prefetch_inodes(*state_, *batch);
    for (const Listed& listed : *batch) {
      const auto emitted = emit_one(*state_, listed, plus, emit, wait);
      if (!emitted && some && emitted.error().code == EAGAIN) return {};
      if (!emitted) return std::unexpected(emitted.error());
      if (*emitted == Emitted::full) return {};
      some = true;
      after = listed.entry.cookie;
    }
    if (batch->size() < count) return {};
  }
}

void Files::fsyncdir(const Caller& caller, NodeId id, std::uint64_t handle, bool data_only,
                     Done done) {
  fsync(caller, id, handle, data_only, std::move(done));
}

}  // namespace vexfs
