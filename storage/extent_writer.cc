// SPDX-License-Identifier: Apache-2.0
#include "storage/extent_writer.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "storage/file_data.h"

namespace vexfs {

namespace {

Counter& written_bytes() {
  static Counter& bytes =
      metrics::counter("vexfs_data_written_bytes", "File data written to the disk");
  return bytes;
}

constexpr std::size_t kOutBytes = std::size_t{kExtentBlocksMax} * kBlockBytes;
constexpr std::size_t kRunBytes = std::size_t{kCompressedBlocksMax} * kBlockBytes;

}  // namespace

std::vector<std::uint64_t> block_checks(Bytes blocks) {
  std::vector<std::uint64_t> checks;
  checks.reserve(blocks.size() / kBlockBytes);
  for (; !blocks.empty(); blocks = blocks.subspan(kBlockBytes))
    checks.push_back(hash64(blocks.first(kBlockBytes)));
  return checks;
}

ExtentWriter::ExtentWriter(Volume& volume, Compression how)
    : volume_(volume), how_(how), out_(Buffer::take(kOutBytes)) {
  if (how_.level != 0) run_ = Buffer::take(kRunBytes);
}

std::uint32_t ExtentWriter::room() const {
  return kExtentBlocksMax - out_blocks_;
}

Result<> ExtentWriter::add(std::uint64_t block, Bytes content) {
  VEXFS_ASSERT(content.size() == kBlockBytes);
  if (how_.level == 0) return append(block, content);
  if (run_blocks_ == kCompressedBlocksMax || block != run_block_ + run_blocks_)
    VEXFS_CHECK(end_run());
  if (run_blocks_ == 0) run_block_ = block;
  std::memcpy(run_.data() + std::size_t{run_blocks_++} * kBlockBytes, content.data(), kBlockBytes);
  return {};
}

// The run as one compressed extent, or as it is.
Result<> ExtentWriter::end_run() {
  const std::uint32_t blocks = std::exchange(run_blocks_, 0);
  if (blocks == 0) return {};
  const Bytes raw = run_.bytes().first(std::size_t{blocks} * kBlockBytes);
  if (blocks > 1) {
    if (room() < blocks) VEXFS_CHECK(write_out());
    const MutableBytes into = out_.bytes().subspan(std::size_t{out_blocks_} * kBlockBytes);
    if (const std::uint32_t stored = compress_extent(raw, into, how_); stored != 0) {
      FileExtent extent{.block = run_block_, .blocks = blocks};
      extent.codec = Codec::zstd;
      extent.disk_blocks = stored;
      extent.raw_blocks = blocks;
      pieces_.push_back({.extent = std::move(extent), .at = out_blocks_});
      out_blocks_ += stored;
      return {};
    }
  }
  return append(run_block_, raw);
}

Result<> ExtentWriter::append(std::uint64_t block, Bytes blocks) {
  while (!blocks.empty()) {
    if (room() == 0) VEXFS_CHECK(write_out());
    const std::size_t taken = std::min<std::size_t>(blocks.size() / kBlockBytes, room());
    const Bytes part = blocks.first(taken * kBlockBytes);
    std::memcpy(out_.data() + std::size_t{out_blocks_} * kBlockBytes, part.data(), part.size());
    FileExtent* last = pieces_.empty() ? nullptr : &pieces_.back().extent;
    if (last == nullptr || last->compressed() || last->end() != block) {
      pieces_.push_back({.extent = {.block = block}, .at = out_blocks_});
      last = &pieces_.back().extent;
    }
    last->blocks += static_cast<std::uint32_t>(taken);
    out_blocks_ += static_cast<std::uint32_t>(taken);
    block += taken;
    blocks = blocks.subspan(part.size());
  }
  return {};
}

Result<> ExtentWriter::finish() {
  VEXFS_CHECK(end_run());
  return write_out();
}

// Lets as many pieces as go there have `space`; how many blocks they take. Cuts the last one
// where it can be cut.
Result<std::uint32_t> ExtentWriter::place(Extent space, std::size_t& piece) {
  const std::uint32_t from = pieces_[piece].at;
  std::uint32_t used = 0;
  const std::size_t written_before = written_.size();
  while (piece < pieces_.size() && used < space.blocks) {
    FileExtent extent = pieces_[piece].extent;
    const std::uint32_t left = space.blocks - used, wanted = extent.where().blocks;
    if (wanted > left && extent.compressed()) break;
    const std::uint32_t taken = std::min(wanted, left);
    if (taken < wanted) {
      pieces_[piece].extent.block += taken;
      pieces_[piece].extent.blocks -= taken;
      pieces_[piece].at += taken;
      extent.blocks = taken;
    } else {
      ++piece;
    }
    extent.first = BlockNo{static_cast<std::uint64_t>(space.first) + used};
    extent.birth = space.birth;
    const Bytes stored = out_.bytes().subspan(std::size_t{from + used} * kBlockBytes,
                                              std::size_t{taken} * kBlockBytes);
    extent.checks = block_checks(stored);
    written_.push_back(std::move(extent));
    used += taken;
  }
  if (used == 0) return 0;
  const Bytes bytes =
      out_.bytes().subspan(std::size_t{from} * kBlockBytes, std::size_t{used} * kBlockBytes);
  if (auto done = volume_.write_blocks(space.first, bytes); !done) {
    written_.resize(written_before);
    return std::unexpected(done.error());
  }
  written_bytes().add(bytes.size());
  return used;
}

// No free run is as long as this compressed piece: its blocks go wherever there is room.
Result<> ExtentWriter::store_raw(std::size_t& piece) {
  const FileExtent extent = pieces_[piece++].extent;
  const Buffer raw = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
  const Bytes stored = out_.bytes().subspan(std::size_t{pieces_[piece - 1].at} * kBlockBytes,
                                            std::size_t{extent.disk_blocks} * kBlockBytes);
  VEXFS_CHECK(decompress_extent(stored, raw.bytes()));
  ExtentWriter plain(volume_, Compression{});
  auto done = plain.append(extent.block, raw.bytes());
  if (done) done = plain.finish();
  for (FileExtent& one : plain.take()) written_.push_back(std::move(one));
  return done;
}

Result<> ExtentWriter::write_out() {
  for (std::size_t piece = 0; piece < pieces_.size();) {
    const std::uint32_t wanted = out_blocks_ - pieces_[piece].at;
    VEXFS_TRY(const Extent space, volume_.allocate(wanted, hint_));
    const auto used = place(space, piece);
    const std::uint32_t kept = used ? *used : 0;
    const auto end = static_cast<std::uint64_t>(space.first) + kept;
    if (kept < space.blocks)
      volume_.release({.first = BlockNo{end}, .blocks = space.blocks - kept});
    if (!used) return std::unexpected(used.error());
    hint_ = BlockNo{end};
    if (kept == 0) VEXFS_CHECK(store_raw(piece));
  }
  pieces_.clear();
  out_blocks_ = 0;
  return {};
}

Result<std::vector<FileExtent>> write_file_blocks(Volume& volume, std::uint64_t block, Bytes from,
                                                  Compression how) {
  ExtentWriter writer(volume, how);
  Result<> done;
  for (; done && !from.empty(); from = from.subspan(kBlockBytes))
    done = writer.add(block++, from.first(kBlockBytes));
  if (done) done = writer.finish();
  std::vector<FileExtent> written = writer.take();
  if (done) return written;
  for (const FileExtent& extent : written) volume.release(extent.where());
  return std::unexpected(done.error());
}

}  // namespace vexfs
