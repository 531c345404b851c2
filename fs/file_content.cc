// SPDX-License-Identifier: Apache-2.0
#include "fs/file_content.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/buffer_pool.h"
#include "fs/write_room.h"
#include "storage/file_data.h"

namespace vexfs {

namespace {

constexpr std::uint64_t block_of(std::uint64_t offset) {
  return offset / kBlockBytes;
}
constexpr std::uint64_t blocks_to(std::uint64_t end) {
  return (end + kBlockBytes - 1) / kBlockBytes;
}

// The part of [offset, offset + bytes) in one block: where it is there, and in the whole.
struct Overlap {
  std::size_t in_block = 0, in_range = 0, bytes = 0;
};
Overlap overlap(std::uint64_t block, std::uint64_t offset, std::size_t bytes) {
  const std::uint64_t start = block * kBlockBytes;
  const std::uint64_t from = std::max(start, offset);
  const std::uint64_t to = std::min(start + kBlockBytes, offset + bytes);
  return {.in_block = from - start, .in_range = from - offset, .bytes = to - from};
}

// The present content of a block that is in no page, zero past the end of the file.
Result<Buffer> load_block(FilesState& state, const Node& node, std::uint64_t block, Wait wait) {
  Buffer buffer = Buffer::take(kBlockBytes);
  VEXFS_CHECK(read_file_blocks(state.volume, node.ino, block, buffer.bytes(), wait));
  const std::uint64_t start = block * kBlockBytes;
  if (node.inode.size < start + kBlockBytes) {
    const std::size_t kept = node.inode.size > start ? node.inode.size - start : 0;
    std::memset(buffer.data() + kept, 0, kBlockBytes - kept);
  }
  return buffer;
}

// Blocks that a write changes in part, with their old content.
class OldBlocks {
 public:
  // Loads the block unless it is in memory, or nothing of the file in it is left.
  Result<> load(FilesState& state, const Node& node, std::uint64_t block, Wait wait) {
    if (node.pages.find(block)) return {};
    if (block * kBlockBytes >= node.inode.size) return {};
    VEXFS_TRY(Buffer buffer, load_block(state, node, block, wait));
    all_[count_++] = {block, std::move(buffer)};
    return {};
  }
  const std::byte* find(std::uint64_t block) const {
    for (std::size_t i = 0; i < count_; ++i)
      if (all_[i].block == block) return all_[i].content.data();
    return nullptr;
  }

 private:
  struct One {
    std::uint64_t block = 0;
    Buffer content;
  };
  std::array<One, 3> all_;
  std::size_t count_ = 0;
};

// A dirty page for the block, for who overwrites all of it.
MutableBytes blank_page(Node& node, const Room& room, std::uint64_t block) {
  bool fresh = false;
  return node.pages.dirty(block, room.reserved(block), fresh);
}

// A dirty page for the block, with its old content.
MutableBytes dirty_page(Node& node, const Room& room, const OldBlocks& old, std::uint64_t block) {
  bool fresh = false;
  const MutableBytes page = node.pages.dirty(block, room.reserved(block), fresh);
  if (!fresh) return page;
  if (const std::byte* content = old.find(block))
    std::memcpy(page.data(), content, page.size());
  else
    std::memset(page.data(), 0, page.size());
  return page;
}

}  // namespace

Result<std::size_t> read_content(FilesState& state, const Node& node, std::uint64_t offset,
                                 MutableBytes into, Wait wait) {
  const std::uint64_t size = node.inode.size;
  if (offset >= size) return 0;
  const std::size_t bytes = std::min<std::uint64_t>(into.size(), size - offset);
  const std::uint64_t end = blocks_to(offset + bytes);
  for (std::uint64_t block = block_of(offset); block < end;) {
    if (const std::byte* page = node.pages.find(block)) {
      const Overlap part = overlap(block, offset, bytes);
      std::memcpy(into.data() + part.in_range, page + part.in_block, part.bytes);
      ++block;
      continue;
    }
    const std::uint64_t run_end = std::min({end, node.pages.next(block), block + kExtentBlocksMax});
    const std::uint64_t from = std::max(offset, block * kBlockBytes);
    const std::uint64_t to = std::min(offset + bytes, run_end * kBlockBytes);
    const MutableBytes wanted(into.data() + (from - offset), to - from);
    VEXFS_TRY(const std::size_t ahead, state.read_ahead.copy(node, from, wanted, wait));
    if (ahead > 0) {
      // Up to a block's end, or to the end of what is asked for.
      block = blocks_to(from + ahead);
      continue;
    }
    const Buffer run = Buffer::take((run_end - block) * kBlockBytes);
    VEXFS_CHECK(read_file_blocks(state.volume, node.ino, block, run.bytes(), wait));
    std::memcpy(wanted.data(), run.data() + (from - block * kBlockBytes), wanted.size());
    block = run_end;
  }
  return bytes;
}

Result<> write_content(FilesState& state, Node& node, std::uint64_t offset, Bytes from, Wait wait) {
  const std::uint64_t end = offset + from.size(), size = node.inode.size;
  const std::uint64_t first = block_of(offset), last = block_of(end - 1);
  OldBlocks old;
  // Past the old end its block may hold old bytes on the disk, which the new size would show.
  const std::uint64_t tail = block_of(size);
  const bool zero_tail = size % kBlockBytes != 0 && tail < first && !node.pages.find(tail);
  if (zero_tail) VEXFS_CHECK(old.load(state, node, tail, wait));
  if (offset % kBlockBytes != 0) VEXFS_CHECK(old.load(state, node, first, wait));
  const bool last_in_part = end % kBlockBytes != 0 && end < size;
  if (last_in_part && (last != first || offset % kBlockBytes == 0))
    VEXFS_CHECK(old.load(state, node, last, wait));

  VEXFS_TRY(const Room room,
            Room::take(state, node,
                       {.first = first, .last = last, .also = zero_tail ? tail : first}, wait));
  if (zero_tail) dirty_page(node, room, old, tail);
  for (std::uint64_t block = first; block <= last; ++block) {
    const Overlap part = overlap(block, offset, from.size());
    const MutableBytes page = part.bytes == kBlockBytes ? blank_page(node, room, block)
                                                        : dirty_page(node, room, old, block);
    std::memcpy(page.data() + part.in_block, from.data() + part.in_range, part.bytes);
  }
  node.inode.size = std::max(size, end);
  return {};
}

Result<> zero_in_block(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to,
                       Wait wait) {
  const std::uint64_t block = block_of(from);
  to = std::min(to, (block + 1) * kBlockBytes);
  OldBlocks old;
  VEXFS_CHECK(old.load(state, node, block, wait));
  VEXFS_TRY(const Room room,
            Room::take(state, node, {.first = block, .last = block, .also = block}, wait));
  const MutableBytes page = dirty_page(node, room, old, block);
  std::memset(page.data() + from % kBlockBytes, 0, to - from);
  return {};
}

}  // namespace vexfs
