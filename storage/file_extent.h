// SPDX-License-Identifier: Apache-2.0
// FileExtent: one record of Tree::extent as a value: which blocks of a file, where on the disk,
// with which checksums. Plain data, no locks.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/extent_format.h"

namespace vexfs {

// The blocks of the volume that pieces of one compressed extent hold together.
struct FileExtentGroup {
  BlockNo first{};
  std::uint64_t base = 0;  // where in the file the whole extent would begin
  friend auto operator<=>(const FileExtentGroup&, const FileExtentGroup&) = default;
};

struct FileExtent {
  std::uint64_t block = 0;   // first block in the file
  std::uint32_t blocks = 0;  // 1 for inline bytes
  ExtentKind kind = ExtentKind::data;
  BlockNo first{};
  std::uint64_t birth = 0;                 // Extent::birth
  std::vector<std::uint64_t> checks = {};  // data: one for each block as it is stored
  std::string bytes = {};                  // inline

  // Of compressed data. This piece is raw_offset ..< raw_offset + blocks of raw_blocks, which lie
  // in disk_blocks from `first` on.
  Codec codec = Codec::none;
  std::uint32_t disk_blocks = 0;
  std::uint32_t raw_blocks = 0;
  std::uint32_t raw_offset = 0;

  std::uint64_t end() const { return block + blocks; }
  bool on_disk() const { return kind == ExtentKind::data || kind == ExtentKind::unwritten; }
  bool compressed() const { return codec != Codec::none; }
  // The blocks of the volume that it references.
  Extent where() const {
    return {.first = first, .blocks = compressed() ? disk_blocks : blocks, .birth = birth};
  }
  FileExtentGroup group() const { return {.first = first, .base = block - raw_offset}; }
  // The part that lies in [from, to), which must overlap it.
  FileExtent cut(std::uint64_t from, std::uint64_t to) const;

  std::string encode() const;
  // EUCLEAN for what encode() never made.
  static Result<FileExtent> decode(Bytes key, Bytes value);
};

}  // namespace vexfs
