// SPDX-License-Identifier: Apache-2.0
// The list of hot pages, between the first two copies of the superblock. Twin of doc/FORMAT.md,
// section "Hot pages".
//
//   byte 64 KiB                    + 4 KiB
//   | WarmListHeader, zeros        | count PagePointers, zeros                   |
//
// A hint: written after the checkpoint that closes the volume and flushed by nobody. A list that
// does not check, or belongs to another checkpoint, is no list.
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "storage/page_format.h"
#include "storage/superblock_format.h"

namespace vexfs {

inline constexpr std::uint64_t kWarmListOffset = std::uint64_t{64} << 10;
inline constexpr std::uint32_t kWarmPagesMax = 4096;
inline constexpr std::uint32_t kWarmListMagic = 0x4D524157;  // "WARM"
inline constexpr std::uint32_t kWarmListVersion = 1;

struct WarmListHeader {  //  offset
  le32 magic;            //   0  kWarmListMagic
  le32 version;          //   4  kWarmListVersion
  le32 count;            //   8  pointers that follow, at most kWarmPagesMax
  le32 reserved;         //  12
  le64 generation;       //  16  of the checkpoint whose pages these are
  le64 check;            //  24  XXH3-64 of the pointers, seed: the volume's id_low: torn, rotten,
                         //      of another volume
};
static_assert(sizeof(WarmListHeader) == 32 && alignof(WarmListHeader) == 1);
static_assert(offsetof(WarmListHeader, check) == 24);
static_assert(std::is_trivially_copyable_v<WarmListHeader>);

inline constexpr std::size_t kWarmListBytes =
    kBlockBytes + kWarmPagesMax * sizeof(PagePointer);  // whole blocks
static_assert(kWarmListBytes % kBlockBytes == 0);
static_assert(kWarmListOffset + kWarmListBytes <= superblock_offset(1, 0));

}  // namespace vexfs
