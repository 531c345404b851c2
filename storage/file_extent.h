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

struct FileExtent {
  std::uint64_t block = 0;   // first block in the file
  std::uint32_t blocks = 0;  // 1 for inline bytes
  ExtentKind kind = ExtentKind::data;
  BlockNo first{};
  std::uint64_t birth = 0;                 // Extent::birth
  std::vector<std::uint64_t> checks = {};  // data: one a block
  std::string bytes = {};                  // inline

  std::uint64_t end() const { return block + blocks; }
  bool on_disk() const { return kind == ExtentKind::data || kind == ExtentKind::unwritten; }
  Extent where() const { return {.first = first, .blocks = blocks, .birth = birth}; }
  // The part that lies in [from, to), which must overlap it.
  FileExtent cut(std::uint64_t from, std::uint64_t to) const;

  std::string encode() const;
  // EUCLEAN for what encode() never made.
  static Result<FileExtent> decode(Bytes key, Bytes value);
};

}  // namespace vexfs
