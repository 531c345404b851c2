// SPDX-License-Identifier: Apache-2.0
// The life of Files: the root of a new volume, open and close.
#include "fs/files.h"

#include "base/log.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"

namespace vexfs {

Result<> Files::make_root(Volume& volume, uid_t uid, gid_t gid) {
  std::string record;
  if (auto there = volume.get(Tree::inode, ino_key(kRootIno), record); there)
    return fail(EEXIST, "files: the volume has a root");
  else if (there.error().code != ENOENT)
    return there;
  Inode root;
  root.mode = S_IFDIR | 0755;
  root.uid = uid;
  root.gid = gid;
  root.links = 2;
  root.parent = kRootIno;
  root.birth_ns = root.ctime_ns = root.mtime_ns = root.atime_ns = now_ns();
  Transaction transaction;
  transaction.put(Tree::inode, ino_key(kRootIno), bytes_of(root.encode()));
  const le64 next = static_cast<std::uint64_t>(kRootIno) + 1;
  transaction.put(Tree::meta, as_bytes(kNextInoKey), bytes_of(next));
  VEXFS_TRY(const Lsn lsn, volume.commit(transaction));
  return volume.sync(lsn);
}

Result<std::unique_ptr<Files>> Files::open(Volume& volume, ContentIndex& index,
                                           const FilesOptions& options) {
  auto state = std::make_unique<FilesState>(volume, index, options);
  std::string record;
  if (auto root = volume.get(Tree::inode, ino_key(kRootIno), record); !root)
    return root.error().code == ENOENT ? fail(EUCLEAN, "files: the volume has no root")
                                       : std::unexpected(root.error());
  if (!state->read_only) {
    VEXFS_CHECK(state->recover());
  }
  VEXFS_CHECK(state->write_back.load_riders(state->nodes));
  if (!state->read_only) state->write_back.start();
  return std::unique_ptr<Files>(new Files(std::move(state)));
}

Files::Files(std::unique_ptr<FilesState> state) : state_(std::move(state)) {}

Files::~Files() = default;

std::size_t Files::dirty_bytes() const {
  return state_->write_back.dirty_bytes();
}

void Files::set_dirty_bytes_max(std::size_t bytes) {
  state_->write_back.set_dirty_bytes_max(bytes);
}

std::size_t Files::read_ahead_bytes() const {
  return state_->read_ahead.held_bytes();
}

void Files::set_read_ahead_max(std::size_t bytes) {
  state_->read_ahead.set_bytes_max(bytes);
}

Result<> Files::close() {
  state_->read_ahead.stop();
  state_->write_back.stop();
  if (state_->read_only) return {};
  VEXFS_CHECK(state_->write_back.write_back_all());
  return state_->volume.sync(state_->volume.last_lsn());
}

}  // namespace vexfs
