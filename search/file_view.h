// SPDX-License-Identifier: Apache-2.0
// FileView: what search may know of files. fs/ implements it over live inodes, so what is read
// is what a program would read now; tests implement it over a map.
//
// Threads: any. Nothing here goes through the mount. No call is made with a lock of search held
// that fs could want (rank engine and below).
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/caller.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "storage/types.h"

namespace vexfs {

struct FileFacts {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t links = 0;
  std::uint64_t size = 0;
  // Of the content: changes with every write or truncate, never repeats, not across mounts
  // and crashes either (mount epoch in the upper bits).
  std::uint64_t generation = 0;
  timespec mtime{};
};

class FileView {
 public:
  virtual ~FileView() = default;
  // ENOENT when it is gone (no names and not open).
  virtual Result<FileFacts> facts(Ino ino) = 0;
  // Short only at the end of the file.
  virtual Result<std::size_t> read(Ino ino, std::uint64_t offset, MutableBytes into) = 0;
  // The value of user.vexfs.vector (little-endian float32). ENODATA.
  virtual Result<std::string> user_vector(Ino ino) = 0;
  // Dirty content and its inode are in the log when it returns (committed, not synced).
  virtual Result<> write_back(Ino ino) = 0;

  // Of a directory; the root's parent is itself. ENOENT.
  virtual Result<Ino> parent(Ino directory) = 0;
  // The entry of this name. ENOENT, ENOTDIR.
  virtual Result<Ino> child(Ino directory, std::string_view name) = 0;
  // Each name of a file or directory, until `visit` says false.
  using VisitName = FunctionRef<bool(Ino parent, std::string_view name)>;
  virtual Result<> names(Ino ino, VisitName visit) = 0;
  // Each entry of a directory, in no order, until `visit` says false; `mode` has the type bits.
  using VisitChild = FunctionRef<bool(std::string_view name, Ino child, mode_t mode)>;
  virtual Result<> children(Ino directory, VisitChild visit) = 0;

  // Permission bits and ownership, as the kernel would check them for this caller.
  virtual bool may_read(const Caller& caller, Ino file) = 0;
  virtual bool may_enter(const Caller& caller, Ino directory) = 0;
};

}  // namespace vexfs
