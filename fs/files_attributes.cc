// SPDX-License-Identifier: Apache-2.0
// Attributes: getattr, setattr, readlink, statfs.
#include <algorithm>
#include <optional>

#include "fs/file_resize.h"
#include "fs/files_state.h"
#include "storage/extent_format.h"

namespace vexfs {

namespace {

void set_times(const SetAttr& set, Inode& next) {
  const std::int64_t now = now_ns();
  next.ctime_ns = set.ctime ? to_ns(set.attr.st_ctim) : now;
  if (set.atime) next.atime_ns = set.atime_now ? now : to_ns(set.attr.st_atim);
  if (set.mtime) next.mtime_ns = set.mtime_now ? now : to_ns(set.attr.st_mtim);
}

void set_owner_and_mode(const SetAttr& set, Inode& next) {
  if (set.mode) next.mode = (next.mode & S_IFMT) | (set.attr.st_mode & 07777);
  if (set.uid) next.uid = set.attr.st_uid;
  if (set.gid) next.gid = set.attr.st_gid;
  // A new owner does not inherit the right to run as the old one, whoever gives it.
  if ((set.uid || set.gid) && !set.mode && next.is_regular()) {
    next.mode &= ~static_cast<mode_t>(S_ISUID);
    if (next.mode & S_IXGRP) next.mode &= ~static_cast<mode_t>(S_ISGID);
  }
}

}  // namespace

Result<Attributes> Files::getattr(const Caller&, NodeId id, Wait wait) {
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
  return Attributes{.attr = state_->stat_of(*node), .birth = from_ns(node->inode.birth_ns)};
}

Result<Attributes> Files::setattr(const Caller& caller, NodeId id, const SetAttr& set, Wait wait) {
  VEXFS_CHECK(state_->writable());
  const auto size = static_cast<std::uint64_t>(set.attr.st_size);
  if (set.size && set.attr.st_size < 0) return fail(EINVAL, "files: negative size");
  if (set.size && size > kFileBytesMax) return fail(EFBIG, "files: file over 16 TiB");
  const NodeRef node = state_->pin(id);
  std::optional<SerialHold> serial;
  if (set.size) {
    VEXFS_TRY(auto held, SerialHold::take(*node, wait));
    serial.emplace(std::move(held));
  }
  std::optional<Attributes> result;
  {
    VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, *node, wait));
    if (node->removed) return fail(ENOENT, "files: setattr of a removed file");
    if (set.size && !node->inode.is_regular())
      return fail(node->inode.is_directory() ? EISDIR : EINVAL, "files: no length to set");
    Change change(state_->volume);
    Inode& next = change.edit(*node);
    if (set.size || set.uid || set.gid) VEXFS_CHECK(state_->drop_capability(change, *node, wait));
    if (set.size) {
      Resize resize(*state_, *node, change);
      const auto prepared = resize.prepare(size, wait);
      // It may have made a page dirty; then the node stays in memory whatever comes.
      if (node->pages.any_pending()) state_->mark_stale(node);
      VEXFS_CHECK(prepared);
      drop_set_id(caller, next);
      set_owner_and_mode(set, next);
      if (set.mode) VEXFS_CHECK(state_->chmod_acl(change, *node, wait));
      set_times(set, next);
      VEXFS_CHECK(resize.commit(wait));
      if (node->stale_record || !node->pages.empty()) state_->mark_stale(node);
    } else {
      set_owner_and_mode(set, next);
      if (set.mode) VEXFS_CHECK(state_->chmod_acl(change, *node, wait));
      set_times(set, next);
      VEXFS_CHECK(change.commit({.wait = wait}));
    }
    result = Attributes{.attr = state_->stat_of(*node)};
  }
  if (set.size) state_->index.changed(node->ino);
  return *result;
}

Result<std::string> Files::readlink(const Caller&, NodeId id, Wait wait) {
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
  if (!S_ISLNK(node->inode.mode)) return fail(EINVAL, "files: readlink of no symlink");
  if (node->removed) return fail(ENOENT, "files: readlink of a removed symlink");
  std::string value;
  VEXFS_CHECK(state_->volume.get(Tree::extent, extent_key(node->ino, 0), value, wait));
  if (value.empty() || static_cast<ExtentKind>(value.front()) != ExtentKind::target)
    return fail(EUCLEAN, "files: symlink without a target");
  value.erase(0, 1);
  return value;
}

Result<> Files::grow_volume(std::uint64_t bytes) {
  return state_->volume.grow(bytes);
}

Result<struct statvfs> Files::statfs(NodeId, Wait) {
  const SpaceInfo space = state_->volume.space();
  struct statvfs out{};
  out.f_bsize = out.f_frsize = kBlockBytes;
  out.f_blocks = space.total;
  // What a deletion gave back counts at once: a writer that needs it forces the checkpoint.
  const std::uint64_t free = std::min(space.free + space.pending, space.total);
  out.f_bfree = out.f_bavail = free;
  // Inodes are made of the same blocks: some 32 of them with a name fit into one page.
  constexpr std::uint64_t kInodesPerBlock = 8;
  out.f_files = space.total * kInodesPerBlock;
  out.f_ffree = out.f_favail = free * kInodesPerBlock;
  out.f_namemax = kNameBytesMax;
  return out;
}

}  // namespace vexfs
