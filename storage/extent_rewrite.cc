// SPDX-License-Identifier: Apache-2.0
#include "storage/extent_rewrite.h"

#include <numeric>

#include "base/buffer_pool.h"
#include "base/metrics.h"
#include "storage/extent_writer.h"
#include "storage/file_data.h"
#include "storage/refcount_format.h"

namespace vexfs {

namespace {

// References to the blocks of an extent, of which all have as many.
Result<std::uint32_t> references(Volume& volume, BlockNo first, Wait wait) {
  std::string value;
  const Key key = refcount_key(first);
  const auto found = volume.get(Tree::refcount, key, value, wait);
  if (!found && found.error().code == ENOENT) return 1;
  VEXFS_CHECK(found);
  VEXFS_TRY(const RefcountRun run, decode_refcount(key, as_bytes(value)));
  return run.count;
}

std::uint32_t blocks_of(const std::vector<FileExtent>& extents) {
  return std::accumulate(extents.begin(), extents.end(), 0U,
                         [](std::uint32_t sum, const auto& e) { return sum + e.where().blocks; });
}

Result<std::vector<FileExtent>> pieces_of(Volume& volume, Ino ino, FileExtentGroup group) {
  VEXFS_TRY(auto extents, file_extents(volume, ino, group.base, group.base + kCompressedBlocksMax,
                                       kCompressedBlocksMax, Wait::allowed));
  std::erase_if(extents,
                [&](const FileExtent& e) { return !e.compressed() || e.group() != group; });
  return extents;
}

Result<> write_pieces(Volume& volume, Ino ino, const std::vector<FileExtent>& pieces,
                      ExtentWriter& writer) {
  for (const FileExtent& piece : pieces) {
    const Buffer content = Buffer::take(std::size_t{piece.blocks} * kBlockBytes);
    VEXFS_CHECK(read_file_blocks(volume, ino, piece.block, content.bytes(), Wait::allowed));
    for (std::uint32_t i = 0; i < piece.blocks; ++i)
      VEXFS_CHECK(writer.add(piece.block + i,
                             content.bytes().subspan(std::size_t{i} * kBlockBytes, kBlockBytes)));
  }
  return writer.finish();
}

}  // namespace

Result<std::vector<FileExtent>> rewrite_extent(Volume& volume, Ino ino, FileExtentGroup group,
                                               Compression how) {
  static Counter& won =
      metrics::counter("vexfs_compress_rewritten_bytes", "Space won by writing what is left anew");
  VEXFS_TRY(const auto pieces, pieces_of(volume, ino, group));
  if (pieces.empty()) return std::vector<FileExtent>{};
  const FileExtent& any = pieces.front();
  VEXFS_TRY(const std::uint32_t count, references(volume, group.first, Wait::allowed));
  const std::uint64_t newest = volume.newest_snapshot();
  const bool others = count != pieces.size() || (newest != 0 && any.birth <= newest);
  if (others || any.disk_blocks < 2) return std::vector<FileExtent>{};
  const std::uint64_t live = std::accumulate(
      pieces.begin(), pieces.end(), std::uint64_t{0},
      [](std::uint64_t sum, const FileExtent& piece) { return sum + piece.blocks; });
  // What others have been promised is not taken for this.
  VEXFS_CHECK(volume.reserve(live));
  ExtentWriter writer(volume, how);
  auto done = write_pieces(volume, ino, pieces, writer);
  volume.unreserve(live);
  std::vector<FileExtent> written = writer.take();
  const std::uint32_t blocks = blocks_of(written);
  if (done && blocks < any.disk_blocks) {
    won.add(std::uint64_t{any.disk_blocks - blocks} * kBlockBytes);
    return written;
  }
  for (const FileExtent& extent : written) volume.release(extent.where());
  if (!done) return std::unexpected(done.error());
  return std::vector<FileExtent>{};
}

}  // namespace vexfs
