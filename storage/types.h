// SPDX-License-Identifier: Apache-2.0
// Words of the volume: block numbers, log sequence numbers, extents, trees.
#pragma once
#include <compare>
#include <cstdint>

namespace vexfs {

inline constexpr std::uint32_t kBlockBytes = 4096;     // unit of allocation and of data checksums
inline constexpr std::uint32_t kPageBytes = 16384;     // a tree page
inline constexpr std::uint32_t kValueBytesMax = 4096;  // one value of a tree
inline constexpr std::uint32_t kTransactionBytesMax = 256 << 10;
inline constexpr std::uint32_t kExtentBlocksMax = 256;  // 1 MiB

enum class BlockNo : std::uint64_t {};  // block n stands at byte n * kBlockBytes
enum class Lsn : std::uint64_t {};      // 0: before everything
enum class Ino : std::uint64_t {};      // inode number; 1 is the root directory

inline constexpr Ino kRootIno{1};

struct Extent {
  BlockNo first{};
  std::uint32_t blocks = 0;
  // Generation in which it was allocated; 0: unknown, older than every snapshot.
  std::uint64_t birth = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

// One B+tree each. The numbers are part of the format; new ones go at the end.
enum class Tree : std::uint8_t {
  inode = 0,       // ino -> inode record
  dentry = 1,      // parent, cookie -> target and name (fs/dentry_format.h)
  xattr = 2,       // ino, part, hash, collision -> name and value (fs/xattr_format.h)
  extent = 3,      // ino, file block -> where its bytes are (storage/extent_format.h)
  backref = 4,     // ino, parent, cookie -> name: under which names an inode stands
  free_space = 5,  // first block -> block count; written by checkpoints only
  intent = 6,      // number -> a long operation that mount resumes
  vector = 7,      // space, ino, chunk -> slot, generation
  collection = 8,  // ino of the root directory -> settings
  orphan = 9,      // ino -> nothing: unlinked while open, removed at mount
  snapshot = 10,   // pinned roots and what they keep from being free; written by checkpoints only
  refcount = 11,   // first block -> how many references, only for shared blocks
  queue = 12,      // ino -> what the indexer still owes this file
  chunk = 13,      // ino, chunk -> byte range, lines, hash, slot
  space = 14,      // collection, kind, … -> spaces and the pieces of their columns
  meta = 15,       // text -> small facts about the volume
  rider = 16,      // ino, file block -> bytes that were synced and have no place on the disk yet
};
inline constexpr unsigned kTreeCount = 17;

}  // namespace vexfs
