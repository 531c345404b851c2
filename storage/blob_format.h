// SPDX-License-Identifier: Apache-2.0
// A blob's reference, as it lies in a tree value. Twin of doc/FORMAT.md, section "Blobs".
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "storage/types.h"

namespace vexfs {

inline constexpr std::uint32_t kBlobMagic = 0x424f4c42;  // "BLOB"
inline constexpr std::uint16_t kBlobVersion = 1;

struct BlobHeader {  //  offset
  le32 magic;        //   0  kBlobMagic
  le16 version;      //   4  kBlobVersion
  le16 extents;      //   6  how many BlobExtents follow
  le64 bytes;        //   8  of content; the last extent is padded with zeros to a block
  le64 check;        //  16  XXH3-64 of the BlobExtents, seeded with `bytes`: a reference damaged
};
static_assert(sizeof(BlobHeader) == 24 && alignof(BlobHeader) == 1);
static_assert(offsetof(BlobHeader, bytes) == 8 && offsetof(BlobHeader, check) == 16);
static_assert(std::is_trivially_copyable_v<BlobHeader>);

struct BlobExtent {  //  offset
  le64 first;        //   0  BlockNo
  le32 blocks;       //   8  1 ..= kExtentBlocksMax
  le64 check;        //  12  XXH3-64 of its blocks: lost, torn, misplaced writes and bit rot
  le64 birth;        //  20  generation that allocated it
};
static_assert(sizeof(BlobExtent) == 28 && alignof(BlobExtent) == 1);
static_assert(offsetof(BlobExtent, check) == 12 && offsetof(BlobExtent, birth) == 20);
static_assert(std::is_trivially_copyable_v<BlobExtent>);

inline constexpr std::size_t kBlobExtentsMax =
    (kValueBytesMax - sizeof(BlobHeader)) / sizeof(BlobExtent);

}  // namespace vexfs
