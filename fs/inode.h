// SPDX-License-Identifier: Apache-2.0
// Inode: the attributes of a file as a value, and its way to and from the disk. No locks.
#pragma once
#include <sys/stat.h>

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "fs/inode_format.h"
#include "storage/types.h"

namespace vexfs {

struct Inode {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t links = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  // of kBlockBytes
  std::uint64_t rdev = 0;
  std::uint64_t content = 0;  // generation of the content
  Ino parent{};               // of a directory
  std::int64_t birth_ns = 0, ctime_ns = 0, mtime_ns = 0, atime_ns = 0;
  std::uint32_t generation = 1;   // of the inode number
  std::uint32_t xattr_bytes = 0;  // names of its xattrs
  bool preallocated = false;      // fallocate() has promised it space

  // What is known of its attributes without reading them.
  std::uint32_t flags = 0;  // kInode*
  bool has(std::uint32_t flag) const { return (flags & flag) != 0; }

  bool is_directory() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }

  InodeRecord encode() const;
  // EUCLEAN for what encode() never made.
  static Result<Inode> decode(Bytes record);
};

// `pending_blocks`: of content that is still in memory.
struct stat to_stat(Ino ino, const Inode& inode, std::uint64_t pending_blocks);

// Times beyond 1677 and 2262 are held at these years.
std::int64_t to_ns(const timespec& time);
timespec from_ns(std::int64_t ns);
std::int64_t now_ns();

}  // namespace vexfs
