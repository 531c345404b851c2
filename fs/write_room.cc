// SPDX-License-Identifier: Apache-2.0
#include "fs/write_room.h"

#include "fs/place_pages.h"

namespace vexfs {

Result<> Room::look(FilesState& state, const Node& node, std::uint64_t first, std::uint64_t last,
                    Wait wait) {
  std::size_t fresh = 0;
  for (std::uint64_t block = first; block <= last; ++block) fresh += !node.pages.holds(block);
  fresh_ += fresh;
  if (fresh == 0 || !node.inode.preallocated) return {};
  std::vector<FileExtent> own;
  VEXFS_TRY(own, own_blocks(state.volume, node.ino, first, last + 1, wait));
  for (std::uint64_t block = first; block <= last; ++block) {
    if (node.pages.holds(block)) continue;
    if (const FileExtent* extent = own_block(own, block))
      (extent->kind == ExtentKind::unwritten ? unreserved_ : data_).push_back(block);
  }
  return {};
}

Result<Room> Room::take(FilesState& state, const Node& node, Blocks blocks, Wait wait) {
  Room room;
  if (blocks.also < blocks.first)
    VEXFS_CHECK(room.look(state, node, blocks.also, blocks.also, wait));
  VEXFS_CHECK(room.look(state, node, blocks.first, blocks.last, wait));
  if (room.fresh_ == 0) return room;
  const std::size_t wanted = room.fresh_ - room.unreserved_.size();
  auto reserved = wanted == 0 ? Result<>() : state.volume.reserve(wanted);
  if (!reserved && reserved.error().code == ENOSPC && !room.data_.empty()) {
    const std::size_t needed = wanted - room.data_.size();
    reserved = needed == 0 ? Result<>() : state.volume.reserve(needed);
    room.unreserved_.insert(room.unreserved_.end(), room.data_.begin(), room.data_.end());
    std::ranges::sort(room.unreserved_);
  }
  VEXFS_CHECK(reserved);
  state.write_back.count_dirty(static_cast<std::int64_t>(room.fresh_));
  return room;
}

}  // namespace vexfs
