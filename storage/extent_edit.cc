// SPDX-License-Identifier: Apache-2.0
#include "storage/extent_edit.h"

#include <algorithm>
#include <optional>

namespace vexfs {

namespace {
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
}

// Records begin at most one extent's length before what they cover.
Result<std::uint64_t> ExtentEdit::load(std::uint64_t from, std::uint64_t to,
                                       std::size_t records_max) {
  const std::uint64_t before = std::min<std::uint64_t>(from, kExtentBlocksMax - 1);
  std::optional<Error> bad;
  std::uint64_t done = to;
  std::size_t records = 0;
  VEXFS_CHECK(volume_.scan(
      Tree::extent, extent_key(ino_, from - before), extent_key(ino_, to),
      [&](Bytes key, Bytes value) {
        auto extent = FileExtent::decode(key, value);
        if (!extent) {
          bad = extent.error();
          return false;
        }
        if (extent->end() <= from) return true;
        if (records++ == records_max) {
          done = extent->block;
          return false;
        }
        const std::uint64_t block = extent->block;
        if (in_tree_.insert(block).second) now_.emplace(block, std::move(*extent));
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

void ExtentEdit::carve(std::uint64_t from, std::uint64_t to, bool free_blocks) {
  auto it = now_.lower_bound(from);
  if (it != now_.begin() && std::prev(it)->second.end() > from) --it;
  while (it != now_.end() && it->second.block < to) {
    const FileExtent old = std::move(it->second);
    it = now_.erase(it);
    changed_.erase(old.block);
    if (old.on_disk() && free_blocks) {
      const FileExtent gone = old.cut(from, to);
      freed_.push_back(gone.where());
      blocks_added_ -= gone.blocks;
    }
    if (old.block < from) insert(old.cut(old.block, from));
    if (old.end() > to) insert(old.cut(to, old.end()));
  }
}

Result<> ExtentEdit::put(FileExtent extent) {
  VEXFS_TRY([[maybe_unused]] const auto all, load(extent.block, extent.end(), kNoLimit));
  carve(extent.block, extent.end(), true);
  if (extent.on_disk()) {
    adopted_.push_back(extent.where());
    blocks_added_ += extent.blocks;
  }
  insert(std::move(extent));
  return {};
}

Result<> ExtentEdit::put_in_place(FileExtent extent) {
  VEXFS_TRY([[maybe_unused]] const auto all, load(extent.block, extent.end(), kNoLimit));
  carve(extent.block, extent.end(), false);
  insert(std::move(extent));
  return {};
}

Result<std::uint64_t> ExtentEdit::remove(std::uint64_t from, std::uint64_t to,
                                         std::size_t records_max) {
  VEXFS_TRY(const std::uint64_t done, load(from, to, records_max));
  carve(from, done, true);
  return done;
}

std::size_t ExtentEdit::log_bytes() const {
  constexpr std::size_t kRecord = 64;  // headers and key, rounded up
  std::size_t bytes = (in_tree_.size() + adopted_.size() + freed_.size()) * kRecord;
  for (const std::uint64_t block : changed_) {
    const FileExtent& extent = now_.at(block);
    bytes += kRecord + extent.bytes.size() + extent.checks.size() * sizeof(le64);
  }
  return bytes;
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
}

}  // namespace vexfs
