// SPDX-License-Identifier: Apache-2.0
// Words between the handlers and whoever calls them (the FUSE border, tests, benches).
#pragma once
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/caller.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "base/wait.h"
#include "storage/types.h"

namespace vexfs {

// What the kernel calls a nodeid: an inode number, or with the top bit set a node of a hidden
// directory `.vexfs` (fs/hidden.h).
using NodeId = std::uint64_t;
inline constexpr NodeId kRootNode = 1;
inline constexpr NodeId kHiddenBit = NodeId{1} << 63;
constexpr bool is_hidden(NodeId node) {
  return (node & kHiddenBit) != 0;
}

inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kXattrBytesMax = 64 << 10;

// When reading moves a file's time of access.
enum class Atime : std::uint8_t {
  relatime,  // after a change, else once a day
  never,
  strict,  // always; the kernel then keeps no content over a close, so that it hears of reads
};

struct Entry {
  NodeId node = 0;
  std::uint64_t generation = 0;  // of the inode number, for file handles
  struct stat attr{};
  double entry_seconds = 3600, attr_seconds = 3600;  // how long the kernel may believe it
};

struct Opened {
  std::uint64_t handle = 0;
  bool direct_io = false;  // computed content: no page cache
  bool keep_cache = true;
  bool cache_readdir = false;
  bool nonseekable = false;
};

// A new file, looked up once and open.
struct Created {
  Entry entry;
  Opened opened;
};

struct Attributes {
  struct stat attr{};
  timespec birth{};  // zero: unknown
  double attr_seconds = 3600;
};

// What setattr changes; the others of `attr` are ignored.
struct SetAttr {
  bool mode = false, uid = false, gid = false, size = false;
  bool atime = false, mtime = false, atime_now = false, mtime_now = false, ctime = false;
  struct stat attr{};
};

// One directory entry. `entry` is null unless attributes were asked for (readdirplus); then the
// callee has counted a lookup for it, which the caller owes a forget (not for "." and "..").
struct DirectoryEntry {
  std::string_view name;
  NodeId node = 0;
  mode_t mode = 0;         // type bits
  std::uint64_t next = 0;  // cookie of what comes after it
  const Entry* entry = nullptr;
};
// False: it did not fit, stop; that entry is not taken and its lookup not counted.
using EmitEntry = FunctionRef<bool(const DirectoryEntry&)>;

}  // namespace vexfs
