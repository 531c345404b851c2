// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a file are: the values of Tree::extent. Twin of doc/FORMAT.md, section
// "File data".
//
// Key: ino (u64), file block (u64). Records of one file never overlap; a block that none covers
// is a hole and reads as zeros. Bytes of the last block past the file's size may be anything.
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "base/key.h"
#include "storage/types.h"

namespace vexfs {

// How the bytes of an extent are stored.
enum class Codec : std::uint8_t {
  none = 0,  // as they are
  zstd = 1,  // one zstd frame, zeros behind it to the end of the block
};

enum class ExtentKind : std::uint8_t {
  inline_bytes = 1,  // the kind, then the content of block 0 without trailing zeros
  data = 2,          // FileExtentHeader, then one XXH3-64 (le64) for each block as it is stored:
                     // lost, torn and misplaced writes, bit rot
  unwritten = 3,     // FileExtentHeader: allocated, reads as zeros
  target = 4,        // the kind, then the target of a symlink
};

inline constexpr std::size_t kInlineBytesMax = 2048;
inline constexpr std::uint32_t kCompressedBlocksMax = 32;  // of raw data in one extent
inline constexpr std::size_t kTargetBytesMax = kValueBytesMax - 1;

struct FileExtentHeader {  //  offset
  std::uint8_t kind;       //   0  data or unwritten
  std::uint8_t codec;      //   1  Codec; of data only
  le16 raw_blocks;         //   2  of the whole extent decompressed; zero unless compressed
  le32 blocks;             //   4  1 ..= kExtentBlocksMax, in the file
  le64 first;              //   8  BlockNo
  le64 birth;              //  16  generation that allocated it; snapshots compare it
  le32 disk_blocks;        //  24  equal to blocks unless compressed; then of the whole extent
  le32 raw_offset;         //  28  blocks into the decompressed extent; zero unless compressed
};
static_assert(sizeof(FileExtentHeader) == 32 && alignof(FileExtentHeader) == 1);
static_assert(offsetof(FileExtentHeader, first) == 8);
static_assert(offsetof(FileExtentHeader, raw_offset) == 28);
static_assert(std::is_trivially_copyable_v<FileExtentHeader>);
static_assert(sizeof(FileExtentHeader) + kExtentBlocksMax * sizeof(le64) <= kValueBytesMax);

inline Key extent_key(Ino ino, std::uint64_t block) {
  return Key().u64(static_cast<std::uint64_t>(ino)).u64(block);
}

}  // namespace vexfs
