// SPDX-License-Identifier: Apache-2.0
#include "fs/file_copy.h"

#include <algorithm>

#include "base/buffer_pool.h"
#include "fs/file_content.h"
#include "storage/extent_edit.h"
#include "storage/file_data.h"

namespace vexfs {

namespace {

constexpr std::size_t kLogBytes = 96 << 10;   // of one transaction
constexpr std::size_t kRecordsMax = 200;      // of the old content that one step removes
constexpr std::uint64_t kBytesMax = 1 << 20;  // copied, not shared, in one call

constexpr std::uint64_t block_up(std::uint64_t offset) {
  return (offset + kBlockBytes - 1) / kBlockBytes;
}

Result<std::uint64_t> copy_bytes(FilesState& state, const CopyRange& range) {
  const std::uint64_t bytes = std::min(range.length, kBytesMax);
  const Buffer buffer = Buffer::take(bytes);
  VEXFS_TRY(const std::size_t got,
            read_content(state, range.from, range.from_offset, buffer.bytes(), Wait::allowed));
  if (got == 0) return 0;
  VEXFS_CHECK(
      write_content(state, range.to, range.to_offset, buffer.bytes().first(got), Wait::allowed));
  return got;
}

// Whole blocks: `blocks` of them from block `from` become those from block `to`.
struct Blocks {
  std::uint64_t from = 0, to = 0, blocks = 0;
};

// Adds to the edit what one transaction takes; how many blocks. 0: the first is in the record of
// its file and cannot be shared.
Result<std::uint64_t> share_some(FilesState& state, const CopyRange& range, const Blocks& what,
                                 ExtentEdit& edit) {
  constexpr std::size_t kBatch = 64;
  VEXFS_TRY(const auto extents, file_extents(state.volume, range.from.ino, what.from,
                                             what.from + what.blocks, kBatch, Wait::allowed));
  std::uint64_t done = 0;
  const auto remove_to = [&](std::uint64_t end) -> Result<bool> {
    VEXFS_TRY(const std::uint64_t to, edit.remove(what.to + done, what.to + end, kRecordsMax));
    done = to - what.to;
    return done == end;
  };
  for (const FileExtent& extent : extents) {
    if (edit.log_bytes() >= kLogBytes) return done;
    if (const std::uint64_t start = extent.block - what.from; start > done) {
      VEXFS_TRY(const bool all, remove_to(start));
      if (!all) return done;
    }
    if (!extent.on_disk()) return done;
    if (extent.kind == ExtentKind::unwritten) {
      VEXFS_TRY(const bool all, remove_to(extent.end() - what.from));
      if (!all) return done;
      continue;
    }
    FileExtent piece = extent;
    piece.block = what.to + done;
    VEXFS_CHECK(edit.put_shared(std::move(piece)));
    done += extent.blocks;
  }
  if (extents.size() == kBatch) return done;
  VEXFS_TRY([[maybe_unused]] const bool all, remove_to(what.blocks));
  return done;
}

// One transaction; `size_max`: how far the copied bytes reach in the file.
Result<std::uint64_t> share_step(FilesState& state, const CopyRange& range, const Blocks& what,
                                 std::uint64_t size_max) {
  Node& to = range.to;
  Change change(state.volume);
  ExtentEdit& edit = change.edit_extents(to.ino, Wait::allowed);
  VEXFS_TRY(const std::uint64_t done, share_some(state, range, what, edit));
  if (done == 0) return 0;
  edit.log(change.transaction);
  FilesState::erase_riders(change.transaction, to, what.to, what.to + done);
  Inode& next = change.edit(to);
  next.blocks += static_cast<std::uint64_t>(edit.blocks_added());
  next.size = std::max(next.size, std::min((what.to + done) * kBlockBytes, size_max));
  next.content = state.clock.next();
  next.mtime_ns = next.ctime_ns = now_ns();
  const std::uint64_t partly = state.clock.next();
  state.index.log_changed(change.transaction, to.ino,
                          to.pages.any_pending() ? partly : next.content);
  VEXFS_CHECK(change.commit({}, {.content = partly}));
  state.drop_pages(to, what.to, what.to + done);
  to.changed = true;
  return done;
}

}  // namespace

Result<std::uint64_t> copy_content(FilesState& state, const CopyRange& range) {
  const std::uint64_t end = range.to_offset + range.length;
  const bool alike = range.from_offset % kBlockBytes == range.to_offset % kBlockBytes;
  const std::uint64_t head =
      std::min(range.length, block_up(range.from_offset) * kBlockBytes - range.from_offset);
  // Behind both ends a block may hold anything, so the last one can be shared as well.
  const bool whole_tail =
      range.from_offset + range.length == range.from.inode.size && end >= range.to.inode.size;
  const std::uint64_t body = range.length - head;
  Blocks what{.from = block_up(range.from_offset),
              .to = block_up(range.to_offset),
              .blocks = whole_tail ? block_up(body) : body / kBlockBytes};
  // What was written since the source was written back is in memory only.
  if (const std::uint64_t page = range.from.pages.next(what.from); page - what.from < what.blocks)
    what.blocks = page - what.from;
  if (!alike || what.blocks == 0) return copy_bytes(state, range);
  if (head > 0) {
    CopyRange part = range;
    part.length = head;
    return copy_bytes(state, part);
  }
  // The block of the old end may hold old bytes behind it on the disk.
  if (const std::uint64_t size = range.to.inode.size;
      size % kBlockBytes != 0 && size < what.to * kBlockBytes)
    VEXFS_CHECK(zero_in_block(state, range.to, size, size + kBlockBytes, Wait::allowed));
  std::uint64_t shared = 0;
  while (what.blocks > 0) {
    VEXFS_TRY(const std::uint64_t done, share_step(state, range, what, end));
    if (done == 0) break;
    shared += done;
    what = {.from = what.from + done, .to = what.to + done, .blocks = what.blocks - done};
  }
  if (shared == 0) return copy_bytes(state, range);
  return std::min(shared * kBlockBytes, range.length);
}

}  // namespace vexfs
