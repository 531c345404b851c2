// SPDX-License-Identifier: Apache-2.0
// An inode as it lies in Tree::inode. Key: ino (u64). Twin of doc/FORMAT.md, section "Inodes,
// names, attributes". The tree page carries the checksum.
#pragma once
#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include "base/endian.h"
#include "base/key.h"
#include "storage/types.h"

namespace vexfs {

inline constexpr std::uint16_t kInodeVersion = 1;

// Flags. Preallocated: fallocate() has promised it space, so its blocks are neither compressed
// nor inline, and are written in place where a full volume leaves no other way.
inline constexpr std::uint32_t kInodePreallocated = 1;
// Which attributes it has, so that the kernel's questions for them are answered from memory.
inline constexpr std::uint32_t kInodeCapability = 2;  // security.capability
inline constexpr std::uint32_t kInodeSecurity = 4;    // has had another name security.*
inline constexpr std::uint32_t kInodeAccessAcl = 8, kInodeDefaultAcl = 16;
inline constexpr std::uint32_t kInodeAttributes =
    kInodeCapability | kInodeSecurity | kInodeAccessAcl | kInodeDefaultAcl;

struct InodeRecord {                      //  offset
  le16 version;                           //   0  kInodeVersion
  le16 reserved_low;                      //   2  zero; checked on read
  le32 mode;                              //   4  type and permission bits, as st_mode
  le32 uid;                               //   8
  le32 gid;                               //  12
  le32 links;                             //  16  names; of a directory 2 + subdirectories
  le32 flags;                             //  20  kInode…; others are refused
  le64 size;                              //  24  bytes; never covers bytes not on disk
  le64 blocks;                            //  32  data blocks held, of kBlockBytes
  le64 rdev;                              //  40  device nodes
  le64 content;                           //  48  content generation: mount epoch << 40 | counter
  le64 parent;                            //  56  of a directory, its ino; else zero
  le64 birth_ns;                          //  64  signed, since 1970
  le64 ctime_ns;                          //  72
  le64 mtime_ns;                          //  80
  le64 atime_ns;                          //  88
  le32 generation;                        //  96  of the inode number
  le32 xattr_bytes;                       // 100  names of its xattrs, each with a NUL
  std::array<std::uint8_t, 24> reserved;  // 104  zero; checked on read
};
static_assert(sizeof(InodeRecord) == 128 && alignof(InodeRecord) == 1);
static_assert(offsetof(InodeRecord, content) == 48 && offsetof(InodeRecord, generation) == 96);
static_assert(offsetof(InodeRecord, reserved) == 104);
static_assert(std::is_trivially_copyable_v<InodeRecord>);

inline Key ino_key(Ino ino) {  // of Tree::inode and Tree::orphan
  return Key().u64(static_cast<std::uint64_t>(ino));
}

// Tree::meta: numbers below this (le64) may be in use; above it none ever was.
inline constexpr std::string_view kNextInoKey = "fs.next_ino";

// Tree::intent: a truncation that is still to free blocks at and after `from` (u64, as in a
// key).
inline constexpr std::uint8_t kIntentTruncate = 1;
inline Key truncate_intent_key(Ino ino) {
  return Key().u8(kIntentTruncate).u64(static_cast<std::uint64_t>(ino));
}

}  // namespace vexfs
