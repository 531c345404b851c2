// SPDX-License-Identifier: Apache-2.0
#include "storage/file_data.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/compression.h"

namespace vexfs {

namespace {

struct FileDataMetrics {
  Counter& read_bytes = metrics::counter("vexfs_data_read_bytes", "File data read from the disk");
  Counter& bad_blocks = metrics::counter("vexfs_data_checksum_failures_total",
                                         "Blocks of files whose content did not check");
};

FileDataMetrics& figures() {
  static FileDataMetrics all;
  return all;
}

Result<> verify(Ino ino, const FileExtent& extent, Bytes blocks) {
  for (std::uint32_t i = 0; i < extent.where().blocks; ++i) {
    if (hash64(blocks.subspan(std::size_t{i} * kBlockBytes, kBlockBytes)) == extent.checks[i])
      continue;
    figures().bad_blocks.add();
    log(Level::error, "data", "block does not check",
        {{"ino", static_cast<std::uint64_t>(ino)},
         {"file_block", extent.block + i},
         {"block", static_cast<std::uint64_t>(extent.first) + i}});
    return fail(EIO, "data: block does not check");
  }
  return {};
}

// What the piece has of the whole extent.
Result<> decompress_part(const FileExtent& extent, Bytes stored, MutableBytes part) {
  if (extent.raw_offset == 0 && extent.blocks == extent.raw_blocks)
    return decompress_extent(stored, part);
  const Buffer raw = Buffer::take(std::size_t{extent.raw_blocks} * kBlockBytes);
  VEXFS_CHECK(decompress_extent(stored, raw.bytes()));
  std::memcpy(part.data(), raw.data() + std::size_t{extent.raw_offset} * kBlockBytes, part.size());
  return {};
}

// EIO: the blocks are those that were written, and make no sense. So content was damaged before
// its checksums were made.
Result<> decompress_piece(Ino ino, const FileExtent& extent, Bytes stored, MutableBytes part) {
  const auto done = decompress_part(extent, stored, part);
  if (done || done.error().code != EUCLEAN) return done;
  log(Level::error, "data", done.error().what,
      {{"ino", static_cast<std::uint64_t>(ino)}, {"file_block", extent.block}});
  return fail(EIO, done.error().what);
}

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

}  // namespace

Result<std::vector<FileExtent>> file_extents(Volume& volume, Ino ino, std::uint64_t from,
                                             std::uint64_t to, std::size_t max, Wait wait) {
  std::vector<FileExtent> found;
  std::optional<Error> bad;
  // Records begin at most one extent's length before what they cover.
  const std::uint64_t before = std::min<std::uint64_t>(from, kExtentBlocksMax - 1);
  VEXFS_CHECK(volume.scan(
      Tree::extent, extent_key(ino, from - before), extent_key(ino, to),
      [&](Bytes key, Bytes value) {
        auto extent = FileExtent::decode(key, value);
        if (!extent) {
          bad = extent.error();
          return false;
        }
        if (extent->end() <= from) return true;
        if (extent->block >= from && extent->end() <= to)
          found.push_back(std::move(*extent));
        else
          found.push_back(extent->cut(from, to));
        return found.size() < max;
      },
      wait));
  if (bad) return std::unexpected(*bad);
  return found;
}

Result<> read_file_blocks(Volume& volume, Ino ino, std::uint64_t block, MutableBytes into,
                          Wait wait) {
  VEXFS_ASSERT(into.size() % kBlockBytes == 0);
  const std::uint64_t end = block + into.size() / kBlockBytes;
  VEXFS_TRY(const auto extents, file_extents(volume, ino, block, end, kNoLimit, wait));
  std::memset(into.data(), 0, into.size());
  const auto part_of = [&](const FileExtent& extent) {
    return into.subspan((extent.block - block) * kBlockBytes,
                        std::size_t{extent.blocks} * kBlockBytes);
  };
  // However fragmented the file is, one submission.
  std::vector<Volume::BlockRead> runs;
  std::vector<Buffer> stored;  // compressed extents, as they are
  for (const FileExtent& extent : extents) {
    if (extent.kind == ExtentKind::inline_bytes)
      std::memcpy(part_of(extent).data(), extent.bytes.data(), extent.bytes.size());
    if (extent.kind != ExtentKind::data) continue;
    if (extent.compressed())
      stored.push_back(Buffer::take(std::size_t{extent.disk_blocks} * kBlockBytes));
    runs.push_back({.first = extent.first,
                    .into = extent.compressed() ? stored.back().bytes() : part_of(extent)});
  }
  if (!runs.empty()) VEXFS_CHECK(volume.read_blocks(runs, wait));
  std::size_t run = 0;
  for (const FileExtent& extent : extents) {
    if (extent.kind != ExtentKind::data) continue;
    const MutableBytes read = runs[run++].into;
    figures().read_bytes.add(read.size());
    VEXFS_CHECK(verify(ino, extent, read));
    if (extent.compressed()) VEXFS_CHECK(decompress_piece(ino, extent, read, part_of(extent)));
  }
  return {};
}

Result<std::uint64_t> find_file_data(Volume& volume, Ino ino, std::uint64_t block,
                                     std::uint64_t end, Wait wait) {
  while (block < end) {
    constexpr std::size_t kBatch = 16;
    VEXFS_TRY(const auto extents, file_extents(volume, ino, block, end, kBatch, wait));
    for (const FileExtent& extent : extents)
      if (extent.kind != ExtentKind::unwritten) return extent.block;
    if (extents.size() < kBatch) break;
    block = extents.back().end();
  }
  return end;
}

Result<std::uint64_t> find_file_hole(Volume& volume, Ino ino, std::uint64_t block,
                                     std::uint64_t end, Wait wait) {
  while (block < end) {
    constexpr std::size_t kBatch = 16;
    VEXFS_TRY(const auto extents, file_extents(volume, ino, block, end, kBatch, wait));
    for (const FileExtent& extent : extents) {
      if (extent.block > block || extent.kind == ExtentKind::unwritten) return block;
      block = extent.end();
    }
    if (extents.size() < kBatch) return std::min(block, end);
  }
  return end;
}

}  // namespace vexfs
