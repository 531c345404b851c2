// SPDX-License-Identifier: Apache-2.0
// Space: fallocate and lseek.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "fs/file_content.h"
#include "fs/file_preallocate.h"
#include "fs/file_resize.h"
#include "fs/files_state.h"
#include "storage/file_data.h"

namespace vexfs {

namespace {

struct ByteRange {
  std::uint64_t from = 0, to = 0;
};
using Sparse = std::vector<FileExtentGroup>;

// Zeroes [from, to): bytes of blocks in part, whole blocks as a hole.
Result<> zero_range(FilesState& state, Node& node, ByteRange range, Sparse& sparse) {
  const auto [from, to] = range;
  const std::uint64_t head_end = std::min(to, (from + kBlockBytes - 1) / kBlockBytes * kBlockBytes);
  const std::uint64_t tail_start = std::max(head_end, to / kBlockBytes * kBlockBytes);
  if (from < head_end) VEXFS_CHECK(zero_in_block(state, node, from, head_end, Wait::allowed));
  if (tail_start < to) VEXFS_CHECK(zero_in_block(state, node, tail_start, to, Wait::allowed));
  return make_hole(state, node, head_end / kBlockBytes, tail_start / kBlockBytes, sparse);
}

// The same of what lies in the file; what reaches its end takes the whole last block, and what was
// allocated behind it.
Result<> zero_content(FilesState& state, Node& node, ByteRange range, Sparse& sparse) {
  const auto [from, to] = range;
  const std::uint64_t size = node.inode.size;
  const std::uint64_t block_end = (size + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  const ByteRange inside{.from = from, .to = to < size ? to : block_end};
  if (from < size) VEXFS_CHECK(zero_range(state, node, inside, sparse));
  const std::uint64_t behind = std::max(size, from);
  return make_hole(state, node, (behind + kBlockBytes - 1) / kBlockBytes, to / kBlockBytes, sparse);
}

struct SpaceMode {
  int what = 0;  // FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE or 0
  bool keep_size = false;
};
Result<> change_space(FilesState& state, Node& node, SpaceMode mode, ByteRange range,
                      Sparse& sparse) {
  if (mode.what != 0) VEXFS_CHECK(zero_content(state, node, range, sparse));
  if (mode.what == FALLOC_FL_PUNCH_HOLE) return {};
  VEXFS_CHECK(preallocate(state, node, range.from / kBlockBytes,
                          (range.to + kBlockBytes - 1) / kBlockBytes));
  if (mode.keep_size || range.to <= node.inode.size) return {};
  Change change(state.volume);
  Resize resize(state, node, change);
  VEXFS_CHECK(resize.prepare(range.to, Wait::allowed));
  return resize.commit(Wait::allowed);
}

Result<std::uint64_t> find_data(FilesState& state, const Node& node, std::uint64_t block,
                                std::uint64_t end, Wait wait) {
  VEXFS_TRY(const std::uint64_t on_disk, find_file_data(state.volume, node.ino, block, end, wait));
  return std::min(on_disk, node.pages.next(block));
}

Result<std::uint64_t> find_hole(FilesState& state, const Node& node, std::uint64_t block,
                                std::uint64_t end, Wait wait) {
  while (block < end) {
    if (node.pages.find(block)) {
      ++block;
      continue;
    }
    VEXFS_TRY(const std::uint64_t hole, find_file_hole(state.volume, node.ino, block, end, wait));
    if (hole == block) break;
    block = hole;
  }
  return block;
}

}  // namespace

Result<> Files::fallocate(const Caller& caller, NodeId id, std::uint64_t, int mode,
                          std::uint64_t offset, std::uint64_t length, Wait wait) {
  VEXFS_CHECK(state_->writable());
  const bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const int what = mode & ~FALLOC_FL_KEEP_SIZE;
  if (what != 0 && what != FALLOC_FL_ZERO_RANGE && !(what == FALLOC_FL_PUNCH_HOLE && keep_size))
    return fail(EOPNOTSUPP, "files: fallocate mode");
  if (length == 0) return fail(EINVAL, "files: fallocate of nothing");
  if (offset > kFileBytesMax || length > kFileBytesMax - offset)
    return fail(EFBIG, "files: file over 16 TiB");
  if (wait == Wait::never) return fail(EAGAIN, "files: fallocate waits");
  const NodeRef node = state_->pin(id);
  bool changed = false;
  VEXFS_TRY(const auto serial, SerialHold::take(*node, wait));
  Sparse sparse;
  {
    VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, *node, wait));
    if (!node->inode.is_regular()) return fail(ENODEV, "files: fallocate of no regular file");
    if (node->removed) return fail(ENOENT, "files: fallocate of a removed file");
    VEXFS_CHECK(state_->drop_capability(*node, wait));
    const std::uint64_t end = offset + length, old_size = node->inode.size;
    const auto done = change_space(*state_, *node, {.what = what, .keep_size = keep_size},
                                   {.from = offset, .to = end}, sparse);
    drop_set_id(caller, node->inode);
    changed = what != 0 || node->inode.size != old_size;
    if (changed)
      state_->touch_content(*node);
    else
      node->inode.ctime_ns = now_ns();
    state_->mark_stale(node);  // also of what a failure has left half done
    VEXFS_CHECK(done);
  }
  state_->write_back.rewrite(*node, sparse);
  if (changed) state_->index.changed(node->ino);
  return {};
}

Result<std::uint64_t> Files::lseek(const Caller&, NodeId id, std::uint64_t, std::uint64_t offset,
                                   int whence, Wait wait) {
  if (whence != SEEK_DATA && whence != SEEK_HOLE) return fail(EINVAL, "files: lseek whence");
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
  const std::uint64_t size = node->inode.size;
  if (offset >= size) return fail(ENXIO, "files: lseek past the end");
  const std::uint64_t first = offset / kBlockBytes, end = (size + kBlockBytes - 1) / kBlockBytes;
  const auto find = whence == SEEK_DATA ? find_data : find_hole;
  VEXFS_TRY(const std::uint64_t block, find(*state_, *node, first, end, wait));
  const std::uint64_t found = std::max(offset, block * kBlockBytes);
  if (whence == SEEK_HOLE) return std::min(found, size);
  if (block >= end) return fail(ENXIO, "files: no more data");
  return found;
}

}  // namespace vexfs
