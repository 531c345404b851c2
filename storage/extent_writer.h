// SPDX-License-Identifier: Apache-2.0
// ExtentWriter: blocks of one file on their way to new places on the disk.
//
// Blocks that follow each other in the file become one extent, compressed where that is worth
// it; extents are gathered, so that scattered blocks still go out in one write. Nothing is
// flushed. What is written is the caller's until a transaction adopts it.
// Threads: one.
#pragma once
#include <cstdint>
#include <vector>

#include "base/buffer_pool.h"
#include "storage/compression.h"
#include "storage/file_extent.h"
#include "storage/volume.h"

namespace vexfs {

class ExtentWriter {
 public:
  ExtentWriter(Volume& volume, Compression how);

  // One block more; blocks come in rising order. ENOSPC, EIO, EROFS.
  Result<> add(std::uint64_t block, Bytes content);
  // Writes the rest.
  Result<> finish();
  // What was written so far, also after an error.
  std::vector<FileExtent> take() { return std::move(written_); }

 private:
  Result<> end_run();
  Result<> append(std::uint64_t block, Bytes blocks);
  Result<> write_out();
  Result<std::uint32_t> place(Extent space, std::size_t& piece);
  Result<> store_raw(std::size_t& piece);
  std::uint32_t room() const;

  // An extent that waits in out_.
  struct Piece {
    FileExtent extent;
    std::uint32_t at = 0;  // its first block in out_
  };
  Volume& volume_;
  const Compression how_;
  Buffer run_;  // blocks in a row, raw; while compressing
  std::uint64_t run_block_ = 0;
  std::uint32_t run_blocks_ = 0;
  Buffer out_;  // as they shall be stored
  std::uint32_t out_blocks_ = 0;
  std::vector<Piece> pieces_;
  BlockNo hint_{};
  std::vector<FileExtent> written_;
};

}  // namespace vexfs
