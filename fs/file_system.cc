// SPDX-License-Identifier: Apache-2.0
// The choice among Files, Hidden and ComputedXattrs. What each call means is said there.
#include "fs/file_system.h"

#include <optional>
#include <utility>

#include "fs/computed_xattrs.h"
#include "fs/files.h"
#include "fs/hidden.h"
#include "fs/mount_memory.h"
#include "search/engine.h"
#include "storage/volume.h"

namespace vexfs {

namespace {

std::unexpected<Error> computed() {
  return fail(EPERM, "file_system: .vexfs is computed, it cannot be changed");
}

class Mounted final : public FileSystem {
 public:
  Mounted(std::unique_ptr<Engine> engine, std::unique_ptr<Files> files)
      : engine_(std::move(engine)), files_(std::move(files)) {
    if (!engine_) return;
    hidden_.emplace(*files_, *engine_);
    xattrs_.emplace(*files_, *engine_);
    engine_->start(*files_);
  }
  ~Mounted() override {
    memory_.reset();
    if (engine_ && !closed_) engine_->stop();  // its workers read files
  }
  // Shares `bytes` among what a mount holds in memory.
  void govern(Volume& volume, std::size_t bytes, std::size_t read_ahead) {
    memory_.emplace(volume, *files_, engine_.get(),
                    MountMemory::Options{.budget = bytes, .read_ahead = read_ahead});
  }
  Result<> close() override {
    memory_.reset();
    if (engine_) engine_->stop();
    closed_ = true;
    return files_->close();
  }

  // --- names
  Result<Entry> lookup(const Caller& caller, NodeId parent, std::string_view name,
                       Wait wait) override {
    if (is_hidden(parent)) return hidden(&Hidden::lookup, caller, parent, name, wait);
    if (name == kHiddenName && hidden_) return hidden_->lookup_root(Ino{parent}, wait);
    return files_->lookup(caller, parent, name, wait);
  }
  void forget(NodeId node, std::uint64_t lookups) override {
    if (!is_hidden(node)) return files_->forget(node, lookups);
    if (hidden_) hidden_->forget(node, lookups);
  }
  Result<Entry> mknod(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                      dev_t device, Wait wait) override {
    if (is_hidden(parent)) return computed();
    return files_->mknod(caller, parent, name, mode, device, wait);
  }
  Result<Entry> mkdir(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                      Wait wait) override {
    if (is_hidden(parent)) return computed();
    return files_->mkdir(caller, parent, name, mode, wait);
  }
  Result<Entry> symlink(const Caller& caller, std::string_view target, NodeId parent,
                        std::string_view name, Wait wait) override {
    if (is_hidden(parent)) return computed();
    return files_->symlink(caller, target, parent, name, wait);
  }
  Result<Entry> link(const Caller& caller, NodeId node, NodeId parent, std::string_view name,
                     Wait wait) override {
    if (is_hidden(node) || is_hidden(parent)) return computed();
    return files_->link(caller, node, parent, name, wait);
  }
  Result<> unlink(const Caller& caller, NodeId parent, std::string_view name, Wait wait) override {
    if (is_hidden(parent)) return computed();
    return files_->unlink(caller, parent, name, wait);
  }
  Result<> rmdir(const Caller& caller, NodeId parent, std::string_view name, Wait wait) override {
    if (is_hidden(parent) || name == kHiddenName) return computed();
    return files_->rmdir(caller, parent, name, wait);
  }
  Result<> rename(const Caller& caller, NodeId parent, std::string_view name, NodeId new_parent,
                  std::string_view new_name, unsigned flags, Wait wait) override {
    if (is_hidden(parent) || is_hidden(new_parent) || name == kHiddenName) return computed();
    return files_->rename(caller, parent, name, new_parent, new_name, flags, wait);
  }

  // --- attributes
  Result<Attributes> getattr(const Caller& caller, NodeId node, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::getattr, node);
    return files_->getattr(caller, node, wait);
  }
  Result<Attributes> setattr(const Caller& caller, NodeId node, const SetAttr& changes,
                             Wait wait) override {
    if (!is_hidden(node)) return files_->setattr(caller, node, changes, wait);
    // `>` truncates and a shell touches: on a conversation both mean nothing and are fine.
    if (changes.mode || changes.uid || changes.gid) return computed();
    return hidden(&Hidden::getattr, node);
  }
  Result<std::string> readlink(const Caller& caller, NodeId node, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::readlink, node);
    return files_->readlink(caller, node, wait);
  }
  Result<struct statvfs> statfs(NodeId node, Wait wait) override {
    return files_->statfs(is_hidden(node) ? kRootNode : node, wait);
  }

  // --- content
  Result<Created> create(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                         int flags, Wait wait) override {
    if (is_hidden(parent)) return computed();
    return files_->create(caller, parent, name, mode, flags, wait);
  }
  Result<Created> create_unnamed(const Caller& caller, NodeId parent, mode_t mode, int flags,
                                 Wait wait) override {
    if (is_hidden(parent)) return computed();
    return files_->create_unnamed(caller, parent, mode, flags, wait);
  }
  Result<Opened> open_file(const Caller& caller, NodeId node, int flags, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::open_file, caller, node, wait);
    return files_->open_file(caller, node, flags, wait);
  }
  Result<std::size_t> read(const Caller& caller, NodeId node, std::uint64_t handle,
                           std::uint64_t offset, MutableBytes into, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::read, caller, handle, offset, into, wait);
    return files_->read(caller, node, handle, offset, into, wait);
  }
  Result<std::size_t> write(const Caller& caller, NodeId node, std::uint64_t handle,
                            std::uint64_t offset, Bytes from, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::write, handle, from, wait);
    return files_->write(caller, node, handle, offset, from, wait);
  }
  Result<> fallocate(const Caller& caller, NodeId node, std::uint64_t handle, int mode,
                     std::uint64_t offset, std::uint64_t length, Wait wait) override {
    if (is_hidden(node)) return fail(EOPNOTSUPP, "file_system: .vexfs has no blocks");
    return files_->fallocate(caller, node, handle, mode, offset, length, wait);
  }
  Result<std::uint64_t> copy_range(const Caller& caller, NodeId from, std::uint64_t from_offset,
                                   NodeId to, std::uint64_t to_offset, std::uint64_t length,
                                   Wait wait) override {
    if (is_hidden(from) || is_hidden(to)) return fail(EOPNOTSUPP, "file_system: computed");
    return files_->copy_range(caller, from, from_offset, to, to_offset, length, wait);
  }
  Result<std::uint64_t> lseek(const Caller& caller, NodeId node, std::uint64_t handle,
                              std::uint64_t offset, int whence, Wait wait) override {
    if (is_hidden(node)) return fail(EINVAL, "file_system: .vexfs has no holes");
    return files_->lseek(caller, node, handle, offset, whence, wait);
  }
  Result<> flush(const Caller& caller, NodeId node, std::uint64_t handle, Wait wait) override {
    if (is_hidden(node)) return {};
    return files_->flush(caller, node, handle, wait);
  }
  void release(NodeId node, std::uint64_t handle, int flags) override {
    if (!is_hidden(node)) return files_->release(node, handle, flags);
    if (hidden_) hidden_->release(handle);
  }
  void fsync(const Caller& caller, NodeId node, std::uint64_t handle, bool data_only,
             Done done) override {
    if (!is_hidden(node)) return files_->fsync(caller, node, handle, data_only, std::move(done));
    if (!hidden_) return done(fail(ESTALE, "file_system: node is not held"));
    hidden_->fsync(node, std::move(done));
  }

  // --- directories
  Result<Opened> opendir(const Caller& caller, NodeId node, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::opendir, caller, node, wait);
    return files_->opendir(caller, node, wait);
  }
  Result<> readdir(const Caller& caller, NodeId node, std::uint64_t handle, std::uint64_t after,
                   bool plus, EmitEntry emit, Wait wait) override {
    if (is_hidden(node)) return hidden(&Hidden::readdir, handle, after, plus, emit);
    return files_->readdir(caller, node, handle, after, plus, emit, wait);
  }
  void releasedir(NodeId node, std::uint64_t handle) override {
    if (!is_hidden(node)) return files_->releasedir(node, handle);
    if (hidden_) hidden_->releasedir(handle);
  }
  void fsyncdir(const Caller& caller, NodeId node, std::uint64_t handle, bool data_only,
                Done done) override {
    if (is_hidden(node)) return done({});
    files_->fsyncdir(caller, node, handle, data_only, std::move(done));
  }

  // --- extended attributes
  Result<> setxattr(const Caller& caller, NodeId node, std::string_view name, Bytes value,
                    int flags, Wait wait) override {
    if (is_hidden(node)) return computed();
    if (!ComputedXattrs::owns(name))
      return files_->setxattr(caller, node, name, value, flags, wait);
    return xattrs(&ComputedXattrs::set, caller, node, name, value, flags, wait);
  }
  Result<std::string> getxattr(const Caller& caller, NodeId node, std::string_view name,
                               std::size_t bytes_asked, Wait wait) override {
    if (is_hidden(node)) return fail(ENODATA, "file_system: .vexfs has no attributes");
    if (!ComputedXattrs::owns(name)) return files_->getxattr(caller, node, name, wait);
    return xattrs(&ComputedXattrs::get, caller, node, name, bytes_asked, wait);
  }
  Result<std::string> listxattr(const Caller& caller, NodeId node, Wait wait) override {
    if (is_hidden(node)) return std::string();
    VEXFS_TRY(std::string names, files_->listxattr(caller, node, wait));
    if (xattrs_) names += xattrs_->list(node);
    return names;
  }
  Result<> removexattr(const Caller& caller, NodeId node, std::string_view name,
                       Wait wait) override {
    if (is_hidden(node)) return computed();
    if (!ComputedXattrs::owns(name)) return files_->removexattr(caller, node, name, wait);
    return xattrs(&ComputedXattrs::remove, caller, node, name, wait);
  }

 private:
  // Calls a method of Hidden, or of ComputedXattrs, where this mount has them.
  template <class Method, class... Args>
  auto hidden(Method method, Args&&... args)
      -> decltype((std::declval<Hidden&>().*method)(std::forward<Args>(args)...)) {
    if (!hidden_) return fail(ESTALE, "file_system: node is not held");
    return (*hidden_.*method)(std::forward<Args>(args)...);
  }
  template <class Method, class... Args>
  auto xattrs(Method method, Args&&... args)
      -> decltype((std::declval<ComputedXattrs&>().*method)(std::forward<Args>(args)...)) {
    if (!xattrs_) return fail(EOPNOTSUPP, "file_system: mounted without an index");
    return (*xattrs_.*method)(std::forward<Args>(args)...);
  }

  std::unique_ptr<Engine> engine_;  // null: mounted without an index
  std::unique_ptr<Files> files_;
  std::optional<Hidden> hidden_;
  std::optional<ComputedXattrs> xattrs_;
  bool closed_ = false;
  std::optional<MountMemory> memory_;  // ends before what it governs
};

// Files calls an index even where there is none.
ContentIndex& no_index() {
  static ContentIndex the_one;
  return the_one;
}

}  // namespace

Result<> FileSystem::make_root(Volume& volume, uid_t uid, gid_t gid) {
  return Files::make_root(volume, uid, gid);
}

Result<std::unique_ptr<FileSystem>> FileSystem::open(Volume& volume, FileSystemOptions options) {
  std::unique_ptr<Engine> engine;
  if (options.index) {
    EngineOptions engine_options;
    engine_options.workers = options.index_workers;
    engine_options.embedder = options.embedder;
    VEXFS_TRY(engine, Engine::open(volume, std::move(engine_options)));
  }
  ContentIndex& index = engine ? static_cast<ContentIndex&>(*engine) : no_index();
  FilesOptions files_options{.commit_seconds = options.commit_seconds,
                             .atime = options.atime,
                             .acl = options.acl,
                             .nodiratime = options.nodiratime,
                             .read_only = options.read_only,
                             .compression = options.compression,
                             .read_ahead_bytes = options.read_ahead_bytes};
  if (options.memory_bytes != 0) {
    const MemoryShares shares = memory_shares(options.memory_bytes);
    files_options.dirty_bytes_max = shares.dirty_data;
    files_options.read_ahead_bytes = std::min(options.read_ahead_bytes, shares.read_ahead);
  }
  VEXFS_TRY(std::unique_ptr<Files> files, Files::open(volume, index, files_options));
  auto mounted = std::make_unique<Mounted>(std::move(engine), std::move(files));
  if (options.memory_bytes != 0)
    mounted->govern(volume, options.memory_bytes, files_options.read_ahead_bytes);
  return mounted;
}

}  // namespace vexfs
