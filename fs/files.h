// SPDX-License-Identifier: Apache-2.0
// Files: ordinary nodes of a volume. Files, directories, symlinks, devices, their names,
// attributes and content; nothing of `.vexfs` and nothing of computed attributes.
//
// The methods are those of fs/file_system.h, which forwards to this class; what they promise is
// written there. Search sees the same files through FileView.
// Threads: any. After close() only the destructor.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fs/types.h"
#include "search/content_index.h"
#include "search/file_view.h"
#include "storage/compression.h"
#include "storage/volume.h"

namespace vexfs {

struct FilesOptions {
  unsigned commit_seconds = 5;  // dirty content is in the log after this
  Atime atime = Atime::relatime;
  bool acl = false;                                     // obey and keep access control lists
  bool nodiratime = false;                              // as never, of directories
  std::size_t dirty_bytes_max = std::size_t{64} << 20;  // of all files, in memory
  bool read_only = false;
  Compression compression = {};
  std::size_t read_ahead_bytes = 0;  // of content that is read before anybody asks; 0: none is
};

struct FilesState;

class Files final : public FileView {
 public:
  using Done = std::move_only_function<void(Result<>)>;

  // An empty volume gets its root directory. EEXIST when it has one.
  static Result<> make_root(Volume& volume, uid_t uid, gid_t gid);
  // Removes orphans, resumes truncations that a crash cut short, starts the timer. `volume` and
  // `index` outlive the result; a plain ContentIndex is an index that ignores everything.
  static Result<std::unique_ptr<Files>> open(Volume& volume, ContentIndex& index,
                                             const FilesOptions& options);
  ~Files() override;
  // Writes back everything, ends the threads. Without it the destructor drops what is dirty, as
  // a crash would.
  Result<> close();

  // --- memory: content that is not on the disk yet, and from when on writers wait for the disk
  std::size_t dirty_bytes() const;
  void set_dirty_bytes_max(std::size_t bytes);
  // Content that is read before somebody asks for it.
  std::size_t read_ahead_bytes() const;
  void set_read_ahead_max(std::size_t bytes);

  // --- names
  Result<Entry> lookup(const Caller&, NodeId parent, std::string_view name, Wait);
  void forget(NodeId node, std::uint64_t lookups);
  // `mode` as it shall be: the kernel has applied the umask.
  Result<Entry> mknod(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                      dev_t device, Wait);
  Result<Entry> mkdir(const Caller&, NodeId parent, std::string_view name, mode_t mode, Wait);
  Result<Entry> symlink(const Caller&, std::string_view target, NodeId parent,
                        std::string_view name, Wait);
  Result<Entry> link(const Caller&, NodeId node, NodeId parent, std::string_view name, Wait);
  Result<> unlink(const Caller&, NodeId parent, std::string_view name, Wait);
  Result<> rmdir(const Caller&, NodeId parent, std::string_view name, Wait);
  Result<> rename(const Caller&, NodeId parent, std::string_view name, NodeId new_parent,
                  std::string_view new_name, unsigned flags, Wait);

  // --- attributes
  Result<Attributes> getattr(const Caller&, NodeId node, Wait);
  Result<Attributes> setattr(const Caller&, NodeId node, const SetAttr&, Wait);
  Result<std::string> readlink(const Caller&, NodeId node, Wait);
  Result<struct statvfs> statfs(NodeId node, Wait);

  // --- content
  Result<Created> create(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                         int flags, Wait);
  Result<Created> create_unnamed(const Caller&, NodeId parent, mode_t mode, int flags, Wait);
  Result<Opened> open_file(const Caller&, NodeId node, int flags, Wait);
  Result<std::size_t> read(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t offset,
                           MutableBytes into, Wait);
  Result<std::size_t> write(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t offset,
                            Bytes from, Wait);
  // Modes: 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE]; EOPNOTSUPP for others.
  Result<> fallocate(const Caller&, NodeId node, std::uint64_t handle, int mode,
                     std::uint64_t offset, std::uint64_t length, Wait);
  // copy_file_range(2): shares whole blocks where both offsets allow it. Returns how many bytes,
  // short where it is much; 0 at the end. EINVAL for overlapping ranges of one file.
  Result<std::uint64_t> copy_range(const Caller&, NodeId from, std::uint64_t from_offset, NodeId to,
                                   std::uint64_t to_offset, std::uint64_t length, Wait);
  Result<std::uint64_t> lseek(const Caller&, NodeId node, std::uint64_t handle,
                              std::uint64_t offset, int whence, Wait);
  Result<> flush(const Caller&, NodeId node, std::uint64_t handle, Wait);
  void release(NodeId node, std::uint64_t handle, int flags);
  void fsync(const Caller&, NodeId node, std::uint64_t handle, bool data_only, Done done);
  // Everything that was received before this call is durable when `done` runs; never sleeps.
  void sync_all(Done done);

  // --- directories
  Result<Opened> opendir(const Caller&, NodeId node, Wait);
  Result<> readdir(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t after, bool plus,
                   EmitEntry emit, Wait);
  void releasedir(NodeId node, std::uint64_t handle);
  void fsyncdir(const Caller&, NodeId node, std::uint64_t handle, bool data_only, Done done);

  // --- extended attributes, as they are stored. Setting or removing a name user.vexfs.* is
  // EPERM here; reading user.vexfs.vector gives what set_user_vector() stored.
  Result<> setxattr(const Caller&, NodeId node, std::string_view name, Bytes value, int flags,
                    Wait);
  Result<std::string> getxattr(const Caller&, NodeId node, std::string_view name, Wait);
  Result<std::string> listxattr(const Caller&, NodeId node, Wait);
  Result<> removexattr(const Caller&, NodeId node, std::string_view name, Wait);
  // user.vexfs.vector: little-endian float32. The index has checked, logged and taken it when
  // this returns. EINVAL for what nobody can hold; EPERM on what is no regular file.
  Result<> set_user_vector(const Caller&, NodeId node, Bytes vector, int flags, Wait);
  Result<> remove_user_vector(const Caller&, NodeId node, Wait);

  // The volume is this many bytes long when it returns. EINVAL: it is longer already.
  Result<> grow_volume(std::uint64_t bytes);

  // --- FileView
  Result<FileFacts> facts(Ino ino) override;
  Result<std::size_t> read(Ino ino, std::uint64_t offset, MutableBytes into) override;
  Result<std::string> user_vector(Ino ino) override;
  Result<> write_back(Ino ino) override;
  Result<Ino> parent(Ino directory) override;
  Result<Ino> child(Ino directory, std::string_view name) override;
  Result<> names(Ino ino, VisitName visit) override;
  Result<> children(Ino directory, VisitChild visit) override;
  bool may_read(const Caller& caller, Ino file) override;
  bool may_enter(const Caller& caller, Ino directory) override;

 private:
  explicit Files(std::unique_ptr<FilesState> state);
  // A regular file of that name; counts a lookup. EEXIST for anything else.
  Result<> find_existing(const Caller& caller, NodeId parent, std::string_view name, Wait wait,
                         Entry& found);
  const std::unique_ptr<FilesState> state_;
};

}  // namespace vexfs
