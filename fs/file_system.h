// SPDX-License-Identifier: Apache-2.0
// FileSystem: every operation that a mount serves, with plain arguments and Results. The FUSE
// border calls it, and so does a test without a kernel.
//
// Ordinary nodes are answered by Files, nodes of `.vexfs` by Hidden, names user.vexfs.* by
// Attributes; this class only chooses among them.
//
// Wait: called with Wait::never a handler answers from memory or says EAGAIN before anything has
// changed; the caller then repeats it on a worker with Wait::allowed. Searches always say EAGAIN
// first. Access checks are the kernel's (default_permissions), except where noted.
// Threads: any. Names are bytes without NUL and '/'; over 255 of them is ENAMETOOLONG.
#pragma once
#include <sys/statvfs.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fs/types.h"
#include "search/embedder_options.h"
#include "storage/compression.h"

namespace vexfs {

class Engine;
class Volume;

struct FileSystemOptions {
  unsigned commit_seconds = 5;  // what was not fsynced is in the log after this long
  bool acl = false;             // POSIX access control lists: the kernel leaves the umask to us
  Atime atime = Atime::relatime;
  bool nodiratime = false;
  bool read_only = false;
  bool index = true;  // false: no engine; user.vexfs.* and questions answer ENOTSUP
  unsigned index_workers = 1;
  EmbedderOptions embedder;
  Compression compression;                               // of file content
  std::size_t read_ahead_bytes = std::size_t{32} << 20;  // at most; of all files
  // For all that the process holds (fs/mount_memory.h); 0: nobody governs it.
  std::size_t memory_bytes = 0;
};

class FileSystem {
 public:
  // An empty volume gets its root directory, owned by `uid:gid` (mkfs).
  static Result<> make_root(Volume& volume, uid_t uid, gid_t gid);
  // Removes orphans, resumes intents, starts the timers and the engine. `volume` outlives it.
  static Result<std::unique_ptr<FileSystem>> open(Volume& volume, FileSystemOptions options);
  virtual ~FileSystem() = default;
  // Writes back everything and stops. Before Volume::close(). No other call after it.
  virtual Result<> close() = 0;

  virtual Result<Entry> lookup(const Caller&, NodeId parent, std::string_view name, Wait) = 0;
  virtual void forget(NodeId node, std::uint64_t lookups) = 0;
  virtual Result<Attributes> getattr(const Caller&, NodeId node, Wait) = 0;
  virtual Result<Attributes> setattr(const Caller&, NodeId node, const SetAttr&, Wait) = 0;
  virtual Result<std::string> readlink(const Caller&, NodeId node, Wait) = 0;

  virtual Result<Entry> mknod(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                              dev_t device, Wait) = 0;
  virtual Result<Entry> mkdir(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                              Wait) = 0;
  virtual Result<Entry> symlink(const Caller&, std::string_view target, NodeId parent,
                                std::string_view name, Wait) = 0;
  virtual Result<Entry> link(const Caller&, NodeId node, NodeId parent, std::string_view name,
                             Wait) = 0;
  virtual Result<> unlink(const Caller&, NodeId parent, std::string_view name, Wait) = 0;
  virtual Result<> rmdir(const Caller&, NodeId parent, std::string_view name, Wait) = 0;
  // flags: RENAME_NOREPLACE, RENAME_EXCHANGE.
  virtual Result<> rename(const Caller&, NodeId parent, std::string_view name, NodeId new_parent,
                          std::string_view new_name, unsigned flags, Wait) = 0;

  virtual Result<Created> create(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                                 int flags, Wait) = 0;
  // O_TMPFILE: a file in no directory, owned as if it were made in `parent`; link() may name it.
  virtual Result<Created> create_unnamed(const Caller&, NodeId /*parent*/, mode_t, int /*flags*/,
                                         Wait) {
    return fail(EOPNOTSUPP, "file_system: no files without a name");
  }
  virtual Result<Opened> open_file(const Caller&, NodeId node, int flags, Wait) = 0;
  // Fills `into`, returns how much; short at the end of the file.
  virtual Result<std::size_t> read(const Caller&, NodeId node, std::uint64_t handle,
                                   std::uint64_t offset, MutableBytes into, Wait) = 0;
  // All of it or an error. O_APPEND has been resolved by the kernel.
  virtual Result<std::size_t> write(const Caller&, NodeId node, std::uint64_t handle,
                                    std::uint64_t offset, Bytes from, Wait) = 0;
  virtual Result<> fallocate(const Caller&, NodeId node, std::uint64_t handle, int mode,
                             std::uint64_t offset, std::uint64_t length, Wait) = 0;
  virtual Result<std::uint64_t> lseek(const Caller&, NodeId node, std::uint64_t handle,
                                      std::uint64_t offset, int whence, Wait) = 0;
  // copy_file_range(2) without flags; how many bytes, may be short. EOPNOTSUPP: copy by hand.
  virtual Result<std::uint64_t> copy_range(const Caller&, NodeId /*from*/,
                                           std::uint64_t /*from_offset*/, NodeId /*to*/,
                                           std::uint64_t /*to_offset*/, std::uint64_t /*length*/,
                                           Wait) {
    return fail(EOPNOTSUPP, "file_system: copy_range");
  }
  virtual Result<> flush(const Caller&, NodeId node, std::uint64_t handle, Wait) = 0;
  virtual void release(NodeId node, std::uint64_t handle, int flags) = 0;
  // Answers through `done`, once, from any thread, when content and names are durable (or the
  // barrier of a hidden file has passed). Never sleeps.
  using Done = std::move_only_function<void(Result<>)>;
  virtual void fsync(const Caller&, NodeId node, std::uint64_t handle, bool data_only, Done) = 0;
  virtual void fsyncdir(const Caller&, NodeId node, std::uint64_t handle, bool data_only, Done) = 0;

  virtual Result<Opened> opendir(const Caller&, NodeId node, Wait) = 0;
  // Entries after cookie `after` (0: from the start), "." and ".." included. `plus`: with
  // attributes. `emit` runs without a lock held that another call wants.
  virtual Result<> readdir(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t after,
                           bool plus, EmitEntry emit, Wait) = 0;
  virtual void releasedir(NodeId node, std::uint64_t handle) = 0;
  virtual Result<struct statvfs> statfs(NodeId node, Wait) = 0;

  // flags: XATTR_CREATE, XATTR_REPLACE.
  virtual Result<> setxattr(const Caller&, NodeId node, std::string_view name, Bytes value,
                            int flags, Wait) = 0;
  // The whole value; the border cuts to the caller's buffer (ERANGE) or answers its size.
  virtual Result<std::string> getxattr(const Caller&, NodeId node, std::string_view name,
                                       std::size_t bytes_asked, Wait) = 0;
  // Names, each ended by NUL.
  virtual Result<std::string> listxattr(const Caller&, NodeId node, Wait) = 0;
  virtual Result<> removexattr(const Caller&, NodeId node, std::string_view name, Wait) = 0;
};

}  // namespace vexfs
