// SPDX-License-Identifier: Apache-2.0
#include "fs/file_preallocate.h"

#include <algorithm>

#include "fs/file_content.h"
#include "storage/extent_edit.h"
#include "storage/file_data.h"

namespace vexfs {

namespace {

constexpr std::size_t kLogBytes = 96 << 10;  // of one transaction

struct Gap {
  std::uint64_t from = 0, to = 0;
};

// The first blocks of [from, to) without a record; empty at `to` without any.
Result<Gap> next_gap(Volume& volume, Ino ino, std::uint64_t from, std::uint64_t to) {
  constexpr std::size_t kBatch = 64;
  while (from < to) {
    VEXFS_TRY(const auto extents, file_extents(volume, ino, from, to, kBatch, Wait::allowed));
    for (const FileExtent& extent : extents) {
      if (extent.block > from) return Gap{.from = from, .to = extent.block};
      from = extent.end();
    }
    if (extents.size() < kBatch) break;
  }
  return Gap{.from = std::min(from, to), .to = to};
}

Result<std::uint64_t> count_missing(Volume& volume, Ino ino, std::uint64_t from, std::uint64_t to) {
  std::uint64_t missing = 0;
  while (from < to) {
    VEXFS_TRY(const Gap gap, next_gap(volume, ino, from, to));
    missing += gap.to - gap.from;
    from = gap.to;
  }
  return missing;
}

// Content in the record gets a block of its own with the next write-back.
Result<> move_inline_content(FilesState& state, Node& node) {
  VEXFS_TRY(const auto first, file_extents(state.volume, node.ino, 0, 1, 1, Wait::allowed));
  if (first.empty() || first.front().kind != ExtentKind::inline_bytes) return {};
  return zero_in_block(state, node, 0, 0, Wait::allowed);  // no byte, but the page is dirty now
}

struct Filled {
  std::uint64_t to = 0, blocks = 0;
};

// One transaction, from `from` on.
Result<Filled> fill(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to) {
  Volume& volume = state.volume;
  Change change(volume);
  ExtentEdit& edit = change.edit_extents(node.ino, Wait::allowed);
  std::vector<Extent> taken;
  std::uint64_t blocks = 0;
  const auto run = [&]() -> Result<> {
    while (from < to && edit.log_bytes() < kLogBytes) {
      VEXFS_TRY(const Gap gap, next_gap(volume, node.ino, from, to));
      from = gap.from;
      while (from < gap.to && edit.log_bytes() < kLogBytes) {
        const auto wanted = std::min<std::uint64_t>(gap.to - from, kExtentBlocksMax);
        const BlockNo hint{taken.empty() ? 0
                                         : static_cast<std::uint64_t>(taken.back().first) +
                                               taken.back().blocks};
        VEXFS_TRY(const Extent got, volume.allocate(static_cast<std::uint32_t>(wanted), hint));
        taken.push_back(got);
        blocks += got.blocks;
        VEXFS_CHECK(edit.put({.block = from,
                              .blocks = got.blocks,
                              .kind = ExtentKind::unwritten,
                              .first = got.first,
                              .birth = got.birth}));
        from += got.blocks;
      }
    }
    edit.log(change.transaction);
    change.edit(node).blocks += static_cast<std::uint64_t>(edit.blocks_added());
    return change.commit({});
  };
  if (auto done = run(); !done) {
    for (const Extent extent : taken) volume.release(extent);
    return std::unexpected(done.error());
  }
  volume.unreserve(blocks);
  return Filled{.to = from, .blocks = blocks};
}

}  // namespace

Result<> preallocate(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to) {
  VEXFS_TRY(std::uint64_t missing, count_missing(state.volume, node.ino, from, to));
  if (missing > 0) VEXFS_CHECK(state.volume.reserve(missing));
  const auto give_up = [&](Error error) {
    state.volume.unreserve(missing);
    return std::unexpected(error);
  };
  if (auto moved = move_inline_content(state, node); !moved) return give_up(moved.error());
  node.inode.preallocated = true;
  while (missing > 0) {
    const auto done = fill(state, node, from, to);
    if (!done) return give_up(done.error());
    missing -= done->blocks;
    from = done->to;
  }
  return {};
}

}  // namespace vexfs
