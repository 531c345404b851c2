// SPDX-License-Identifier: Apache-2.0
// Free space as Tree::free_space keeps it. Twin of doc/FORMAT.md, section "Free space".
//
// key    u64 big-endian: number of the group, kGroupBlocks blocks each
// value  either kGroupBytes of bitmap, bit set: referenced (bit 0 of byte 0 is the first block),
//        or shorter: the free runs, ascending, one FreeRun each
// A group without a record is free as a whole. Blocks outside of the data area are recorded as
// free, so that a record stays true when the area grows.
// The pages of Tree::free_space itself are not recorded: whoever loads the map meets each of
// them. That ends the recursion of a map whose writing changes what it maps.
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "storage/types.h"

namespace vexfs {

inline constexpr std::uint32_t kGroupBlocks = 32768;            // 128 MiB
inline constexpr std::uint32_t kGroupBytes = kGroupBlocks / 8;  // a bitmap; kValueBytesMax
static_assert(kGroupBytes == kValueBytesMax);

struct FreeRun {      //  offset
  le16 first;         //   0  block in the group
  le16 blocks_less1;  //   2
};
static_assert(sizeof(FreeRun) == 4 && alignof(FreeRun) == 1);
static_assert(std::is_trivially_copyable_v<FreeRun>);

}  // namespace vexfs
