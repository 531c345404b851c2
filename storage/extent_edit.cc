// SPDX-License-Identifier: Apache-2.0
#include "storage/extent_edit.h"

#include <algorithm>
#include <optional>

namespace vexfs {

namespace {
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
// The other pieces of a compressed extent are nearer than this; blocks_added() wants them all.
constexpr std::uint64_t kMargin = kCompressedBlocksMax - 1;
}  // namespace

// Records begin at most one extent's length before what they cover.
Result<std::uint64_t> ExtentEdit::load(std::uint64_t from, std::uint64_t to,
                                       std::size_t records_max) {
  const std::uint64_t start = from - std::min(from, kMargin);
  const std::uint64_t before = std::min<std::uint64_t>(start, kExtentBlocksMax - 1);
  const std::uint64_t scan_to = to + std::min(kBlocksEnd - to, kMargin);
  std::optional<Error> bad;
  std::uint64_t done = to;
  std::size_t records = 0;
  VEXFS_CHECK(volume_.scan(
      Tree::extent, extent_key(ino_, start - before), extent_key(ino_, scan_to),
      [&](Bytes key, Bytes value) {
        auto extent = FileExtent::decode(key, value);
        if (!extent) {
          bad = extent.error();
          return false;
        }
        if (extent->end() <= start) return true;
        const bool touched = extent->end() > from && extent->block < to;
        if (touched && done == to && records++ == records_max) done = extent->block;
        if (done != to && extent->block >= done + kMargin) return false;
        const std::uint64_t block = extent->block;
        if (!in_tree_.insert(block).second) return true;
        if (extent->compressed()) groups_before_.emplace(extent->group(), extent->disk_blocks);
        now_.emplace(block, std::move(*extent));
        return true;
      },
      wait_));
  if (bad) return std::unexpected(*bad);
  return done;
}

void ExtentEdit::insert(FileExtent extent) {
  const std::uint64_t block = extent.block;
  changed_.insert(block);
  now_.insert_or_assign(block, std::move(extent));
}

// [from, to) of the extent is referenced no longer.
Result<> ExtentEdit::drop(const FileExtent& extent, std::uint64_t from, std::uint64_t to) {
  if (!extent.on_disk()) return {};
  if (!extent.compressed()) {
    const FileExtent gone = extent.cut(from, to);
    plain_blocks_added_ -= gone.blocks;
    return shared_.drop(gone.where(), freed_);
  }
  const int pieces = int{extent.block < from} + int{extent.end() > to};
  if (pieces == 0) return shared_.drop(extent.where(), freed_);
  if (pieces == 2) return shared_.add(extent.where());
  return {};
}

Result<> ExtentEdit::carve(std::uint64_t from, std::uint64_t to, Old fate) {
  auto it = now_.lower_bound(from);
  if (it != now_.begin() && std::prev(it)->second.end() > from) --it;
  while (it != now_.end() && it->second.block < to) {
    const FileExtent old = std::move(it->second);
    it = now_.erase(it);
    changed_.erase(old.block);
    if (old.compressed()) cut_.insert(old.group());
    if (fate == Old::dropped) VEXFS_CHECK(drop(old, from, to));
    if (old.block < from) insert(old.cut(old.block, from));
    if (old.end() > to) insert(old.cut(to, old.end()));
  }
  return {};
}

Result<> ExtentEdit::put(FileExtent extent) {
  VEXFS_TRY([[maybe_unused]] const auto all, load(extent.block, extent.end(), kNoLimit));
  VEXFS_CHECK(carve(extent.block, extent.end(), Old::dropped));
  if (extent.on_disk()) {
    adopted_.push_back(extent.where());
    if (!extent.compressed()) plain_blocks_added_ += extent.blocks;
  }
  insert(std::move(extent));
  return {};
}

Result<> ExtentEdit::put_in_place(FileExtent extent) {
  VEXFS_TRY([[maybe_unused]] const auto all, load(extent.block, extent.end(), kNoLimit));
  VEXFS_CHECK(carve(extent.block, extent.end(), Old::kept));
  insert(std::move(extent));
  return {};
}

Result<> ExtentEdit::put_shared(FileExtent extent) {
  VEXFS_TRY([[maybe_unused]] const auto all, load(extent.block, extent.end(), kNoLimit));
  // First, so that blocks which it takes the place of are not free in between.
  VEXFS_CHECK(shared_.add(extent.where()));
  VEXFS_CHECK(carve(extent.block, extent.end(), Old::dropped));
  if (!extent.compressed()) plain_blocks_added_ += extent.blocks;
  insert(std::move(extent));
  return {};
}

Result<std::uint64_t> ExtentEdit::remove(std::uint64_t from, std::uint64_t to,
                                         std::size_t records_max) {
  VEXFS_TRY(const std::uint64_t done, load(from, to, records_max));
  VEXFS_CHECK(carve(from, done, Old::dropped));
  return done;
}

std::int64_t ExtentEdit::blocks_added() const {
  std::map<FileExtentGroup, std::uint32_t> groups;
  for (const auto& [block, extent] : now_)
    if (extent.compressed()) groups.emplace(extent.group(), extent.disk_blocks);
  std::int64_t added = plain_blocks_added_;
  for (const auto& [group, blocks] : groups) added += blocks;
  for (const auto& [group, blocks] : groups_before_) added -= blocks;
  return added;
}

std::vector<FileExtentGroup> ExtentEdit::sparse() const {
  struct Left {
    std::uint32_t blocks = 0, raw_blocks = 0;
  };
  std::map<FileExtentGroup, Left> groups;
  if (cut_.empty()) return {};
  for (const auto& [block, extent] : now_) {
    if (!extent.compressed() || !cut_.contains(extent.group())) continue;
    Left& left = groups[extent.group()];
    left.blocks += extent.blocks;
    left.raw_blocks = extent.raw_blocks;
  }
  std::vector<FileExtentGroup> sparse;
  for (const auto& [group, left] : groups)
    if (2 * left.blocks < left.raw_blocks) sparse.push_back(group);
  return sparse;
}

std::size_t ExtentEdit::log_bytes() const {
  constexpr std::size_t kRecord = 64;  // headers and key, rounded up
  std::size_t bytes = (in_tree_.size() + adopted_.size() + freed_.size()) * kRecord;
  for (const std::uint64_t block : changed_) {
    const FileExtent& extent = now_.at(block);
    bytes += kRecord + extent.bytes.size() + extent.checks.size() * sizeof(le64);
  }
  return bytes + shared_.log_bytes();
}

void ExtentEdit::log(Transaction& transaction) const {
  for (const std::uint64_t block : in_tree_)
    if (!now_.contains(block)) transaction.erase(Tree::extent, extent_key(ino_, block));
  for (const std::uint64_t block : changed_) {
    const std::string value = now_.at(block).encode();
    transaction.put(Tree::extent, extent_key(ino_, block), as_bytes(value));
  }
  for (const Extent extent : adopted_) transaction.adopt(extent);
  for (const Extent extent : freed_) transaction.free(extent);
  shared_.log(transaction);
}

}  // namespace vexfs
