// SPDX-License-Identifier: Apache-2.0
// The superblock and where things stand. Twin of doc/FORMAT.md, section "Superblock".
//
//   byte 0                 1 MiB               data_first * 4096        size_bytes
//   | superblock copies    | log ring          | data area              |
//
// Two slots, used in turn; each has two copies, 512 KiB apart. The newest valid copy wins.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "storage/page_format.h"

namespace vexfs {

inline constexpr std::array<std::uint8_t, 8> kSuperblockMagic = {'V', 'e',  'x',  'F',
                                                                 'S', '\r', '\n', 0x1a};
inline constexpr std::uint32_t kFormatVersion = 1;     // what we write
inline constexpr std::uint32_t kFormatVersionMin = 1;  // the oldest that we read

inline constexpr unsigned kSuperblockSlots = 2;
inline constexpr unsigned kSuperblockCopies = 2;
inline constexpr std::uint64_t superblock_offset(unsigned slot, unsigned copy) {
  return (std::uint64_t{copy} << 19) + (std::uint64_t{slot} << 18);
}
inline constexpr unsigned kRootsMax = 32;  // room for more trees
static_assert(kTreeCount <= kRootsMax);
inline constexpr std::uint64_t kLogOffset = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kVolumeBytesMin = std::uint64_t{64} << 20;
inline constexpr std::uint64_t kLogBytesMin = std::uint64_t{2} << 20;

struct RootRecord {    //  offset
  PagePointer page;    //   0  address 0: the tree is empty
  std::uint8_t level;  //  24  of that page
  std::array<std::uint8_t, 7> reserved;
};
static_assert(sizeof(RootRecord) == 32 && alignof(RootRecord) == 1);

struct SuperblockRecord {                   //  offset
  std::array<std::uint8_t, 8> magic;        //    0
  le32 version;                             //    8  kFormatVersion of the writer
  le32 version_min;                         //   12  the oldest reader that understands it
  le64 features;                            //   16  bits of optional features; none yet
  le64 features_needed;                     //   24  a reader that lacks one of these: ENOTSUP
  le64 id_high, id_low;                     //   32  128 random bits, made by mkfs
  le64 size_bytes;                          //   48  of the volume
  le64 log_bytes;                           //   56  of the ring, which begins at kLogOffset
  le64 data_first, data_end;                //   64  the data area, in blocks
  le64 sequence;                            //   80  rises with each write; slot = sequence % 2
  le64 generation;                          //   88  of the newest checkpoint
  le64 checkpoint_lsn;                      //   96  everything up to it is in the trees
  le64 log_position;                        //  104  replay begins there (storage/wal_format.h)
  le64 mount_epoch;                         //  112  rises with each writable mount
  le32 clean;                               //  120  1 after close(), else 0
  le32 block_bytes;                         //  124  kBlockBytes
  le32 page_bytes;                          //  128  kPageBytes
  le32 reserved0;                           //  132  zero; checked on read
  std::array<RootRecord, kRootsMax> roots;  //  136  by Tree; behind kTreeCount all zero
  std::array<std::uint8_t, 2928> reserved;  // 1160  zero; checked on read
  le64 check;                               // 4088  XXH3-64 of all before: torn or rotten copy
};
static_assert(sizeof(SuperblockRecord) == kBlockBytes && alignof(SuperblockRecord) == 1);
static_assert(offsetof(SuperblockRecord, sequence) == 80);
static_assert(offsetof(SuperblockRecord, clean) == 120);
static_assert(offsetof(SuperblockRecord, roots) == 136);
static_assert(offsetof(SuperblockRecord, reserved) == 1160);
static_assert(offsetof(SuperblockRecord, check) == 4088);
static_assert(std::is_trivially_copyable_v<SuperblockRecord>);

}  // namespace vexfs
