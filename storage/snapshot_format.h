// SPDX-License-Identifier: Apache-2.0
// Snapshots as Tree::snapshot keeps them. Twin of doc/FORMAT.md, section "Snapshots".
//
// key 's' generation (u64)                 -> SnapshotRecord, its name
// key 'd' generation (u64), number (u64)   -> DeadExtents: what that snapshot keeps from being free
//
// Checkpoints alone write this tree, in the generation that they end; its pages are not recorded
// in Tree::free_space, like those of the map itself.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "base/key.h"
#include "storage/superblock_format.h"

namespace vexfs {

inline constexpr std::uint16_t kSnapshotVersion = 1;

struct SnapshotRecord {                      //  offset
  le16 version;                              //   0  kSnapshotVersion
  std::uint8_t removing;                     //   2  1: its dead blocks are being freed
  std::uint8_t trees;                        //   3  how many of `roots` count
  le32 reserved;                             //   4  zero; checked on read
  le64 lsn;                                  //   8  what it holds
  le64 next_dead;                            //  16  number of its next record of dead extents
  std::array<RootRecord, kTreeCount> roots;  //  24  by Tree; none of free_space and snapshot
};
static_assert(alignof(SnapshotRecord) == 1);
static_assert(offsetof(SnapshotRecord, roots) == 24);
static_assert(std::is_trivially_copyable_v<SnapshotRecord>);

struct DeadExtent {  //  offset
  le64 first;        //   0  block
  le64 birth;        //   8  not above the snapshot's generation
  le32 blocks;       //  16
};
static_assert(sizeof(DeadExtent) == 20 && alignof(DeadExtent) == 1);
static_assert(std::is_trivially_copyable_v<DeadExtent>);
inline constexpr std::size_t kDeadExtentsMax = 200;  // of one record
static_assert(kDeadExtentsMax * sizeof(DeadExtent) <= kValueBytesMax);

inline Key snapshot_key(std::uint64_t generation) {
  return Key().u8('s').u64(generation);
}
inline Key dead_key(std::uint64_t generation, std::uint64_t number) {
  return Key().u8('d').u64(generation).u64(number);
}

}  // namespace vexfs
