// SPDX-License-Identifier: Apache-2.0
#include "fs/place_pages.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "fs/node_hold.h"
#include "storage/extent_writer.h"
#include "storage/file_data.h"
#include "storage/rider_format.h"
#include "storage/shared_blocks.h"

namespace vexfs {

namespace {

// Pages in a row that go to one extent that the file has. The lock keeps the file from being
// removed meanwhile, which would free the blocks and give them to somebody else.
Result<> write_in_place(Volume& volume, Placing& placing, const FileExtent& own, Bytes content,
                        std::uint64_t block) {
  VEXFS_TRY(const auto hold, ReadHold::take(volume, placing.node, Wait::allowed));
  if (placing.node.removed) return {};
  FileExtent extent = own.cut(block, block + content.size() / kBlockBytes);
  extent.kind = ExtentKind::data;
  extent.checks = block_checks(content);
  VEXFS_CHECK(volume.write_blocks(extent.first, content));
  placing.extents.push_back({.extent = std::move(extent), .in_place = true});
  return {};
}

Result<> write_own(Volume& volume, Placing& placing) {
  const FilePages::Map& pages = placing.node.pages.writing();
  const Buffer run = Buffer::take(std::size_t{kExtentBlocksMax} * kBlockBytes);
  for (auto it = pages.begin(); it != pages.end();) {
    const std::uint64_t first = it->first;
    if (!goes_in_place(placing, first, it->second)) {
      ++it;
      continue;
    }
    const FileExtent& own = *own_block(placing.own, first);
    std::size_t bytes = 0;
    for (; it != pages.end() && it->first == first + bytes / kBlockBytes && it->first < own.end() &&
           goes_in_place(placing, it->first, it->second);
         ++it, bytes += kBlockBytes)
      std::memcpy(run.data() + bytes, it->second.content.data(), kBlockBytes);
    VEXFS_CHECK(write_in_place(volume, placing, own, run.bytes().first(bytes), first));
  }
  return {};
}

}  // namespace

Result<std::vector<FileExtent>> own_blocks(Volume& volume, Ino ino, std::uint64_t from,
                                           std::uint64_t to, Wait wait) {
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  VEXFS_TRY(auto extents, file_extents(volume, ino, from, to, kNoLimit, wait));
  const std::uint64_t newest = volume.newest_snapshot();
  std::vector<FileExtent> own;
  for (FileExtent& extent : extents) {
    if (!extent.on_disk() || extent.compressed()) continue;
    // A snapshot reads an unwritten extent as zeros, whatever its blocks hold.
    if (extent.kind == ExtentKind::data && newest != 0 && extent.birth <= newest) continue;
    VEXFS_TRY(const bool shared, is_shared(volume, extent.where(), wait));
    if (!shared) own.push_back(std::move(extent));
  }
  return own;
}

const FileExtent* own_block(const std::vector<FileExtent>& own, std::uint64_t block) {
  const auto it = std::ranges::upper_bound(own, block, {}, &FileExtent::block);
  if (it == own.begin() || std::prev(it)->end() <= block) return nullptr;
  return &*std::prev(it);
}

bool goes_in_place(const Placing& placing, std::uint64_t block, const FilePages::Page& page) {
  const FileExtent* own = own_block(placing.own, block);
  return own != nullptr && (own->kind == ExtentKind::unwritten || !page.reserved);
}

bool fits_inline(const Node& node) {
  return node.inode.size <= kInlineBytesMax && !node.inode.preallocated &&
         node.pages.count() == 1 && node.pages.next(0) == 0;
}

FileExtent inline_extent(const FilePages::Map& pages) {
  const Bytes content = rider_value(pages.begin()->second.content.bytes());
  return {.blocks = 1, .kind = ExtentKind::inline_bytes, .bytes = std::string(as_text(content))};
}

void release_placed(Volume& volume, const Placing& placing) {
  for (std::size_t i = placing.committed; i < placing.extents.size(); ++i) {
    const auto& [extent, in_place] = placing.extents[i];
    if (extent.on_disk() && !in_place) volume.release(extent.where());
  }
}

Result<> write_pages(Volume& volume, Placing& placing, Compression how) {
  VEXFS_CHECK(write_own(volume, placing));
  ExtentWriter writer(volume, how);
  Result<> result;
  for (const auto& [block, page] : placing.node.pages.writing()) {
    if (!result) break;
    if (!goes_in_place(placing, block, page)) result = writer.add(block, page.content.bytes());
  }
  if (result) result = writer.finish();
  // Both kinds come in the order of the file. (A sort goes deep: hundreds of bytes a step.)
  std::vector<PlacedExtent> in_place = std::exchange(placing.extents, {});
  auto next = std::make_move_iterator(in_place.begin());
  const auto end = std::make_move_iterator(in_place.end());
  for (FileExtent& extent : writer.take()) {
    while (next != end && next->extent.block < extent.block) placing.extents.push_back(*next++);
    placing.extents.push_back({.extent = std::move(extent)});
  }
  placing.extents.insert(placing.extents.end(), next, end);
  return result;
}

}  // namespace vexfs
