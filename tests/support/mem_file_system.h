// SPDX-License-Identifier: Apache-2.0
// MemFileSystem: the least a FileSystem can be, over std::map, under one lock. Nothing is kept.
// Mounted through the same border (bench/mem_fs.cc) it says what FUSE itself costs; tests of the
// border change what it answers.
//
// Threads: any.
#pragma once
#include <map>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "fs/file_system.h"

namespace vexfs {

class MemFileSystem : public FileSystem {
 public:
  MemFileSystem(uid_t uid, gid_t gid);
  Result<> close() override { return {}; }
  // Nodes that have a name, are open for the kernel, or both; the root is one.
  std::size_t nodes_held();

  Result<Entry> lookup(const Caller&, NodeId parent, std::string_view name, Wait) override;
  void forget(NodeId node, std::uint64_t lookups) override;
  Result<Attributes> getattr(const Caller&, NodeId node, Wait) override;
  Result<Attributes> setattr(const Caller&, NodeId node, const SetAttr&, Wait) override;
  Result<std::string> readlink(const Caller&, NodeId node, Wait) override;

  Result<Entry> mknod(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                      dev_t device, Wait) override;
  Result<Entry> mkdir(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                      Wait) override;
  Result<Entry> symlink(const Caller&, std::string_view target, NodeId parent,
                        std::string_view name, Wait) override;
  Result<Entry> link(const Caller&, NodeId node, NodeId parent, std::string_view name,
                     Wait) override;
  Result<> unlink(const Caller&, NodeId parent, std::string_view name, Wait) override;
  Result<> rmdir(const Caller&, NodeId parent, std::string_view name, Wait) override;
  Result<> rename(const Caller&, NodeId parent, std::string_view name, NodeId new_parent,
                  std::string_view new_name, unsigned flags, Wait) override;

  Result<Created> create(const Caller&, NodeId parent, std::string_view name, mode_t mode,
                         int flags, Wait) override;
  Result<Opened> open_file(const Caller&, NodeId node, int flags, Wait) override;
  Result<std::size_t> read(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t offset,
                           MutableBytes into, Wait) override;
  Result<std::size_t> write(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t offset,
                            Bytes from, Wait) override;
  Result<> fallocate(const Caller&, NodeId, std::uint64_t, int, std::uint64_t, std::uint64_t,
                     Wait) override {
    return fail(EOPNOTSUPP, "mem: no fallocate");
  }
  Result<std::uint64_t> lseek(const Caller&, NodeId node, std::uint64_t handle,
                              std::uint64_t offset, int whence, Wait) override;
  Result<> flush(const Caller&, NodeId, std::uint64_t, Wait) override { return {}; }
  void release(NodeId, std::uint64_t, int) override {}
  void fsync(const Caller&, NodeId, std::uint64_t, bool, Done done) override { done({}); }
  void fsyncdir(const Caller&, NodeId, std::uint64_t, bool, Done done) override { done({}); }

  Result<Opened> opendir(const Caller&, NodeId node, Wait) override;
  Result<> readdir(const Caller&, NodeId node, std::uint64_t handle, std::uint64_t after, bool plus,
                   EmitEntry emit, Wait) override;
  void releasedir(NodeId, std::uint64_t) override {}
  Result<struct statvfs> statfs(NodeId node, Wait) override;

  Result<> setxattr(const Caller&, NodeId node, std::string_view name, Bytes value, int flags,
                    Wait) override;
  Result<std::string> getxattr(const Caller&, NodeId node, std::string_view name, std::size_t,
                               Wait) override;
  Result<std::string> listxattr(const Caller&, NodeId node, Wait) override;
  Result<> removexattr(const Caller&, NodeId node, std::string_view name, Wait) override;

 private:
  struct Node {
    struct stat attr{};
    NodeId parent = 0;          // of a directory
    std::uint64_t lookups = 0;  // the kernel's references
    std::string content;        // of a file; the target of a symlink
    std::map<std::string, NodeId, std::less<>> children;
    std::map<std::string, std::string, std::less<>> xattrs;
  };

  Result<Node*> find(NodeId id) REQUIRES(mutex_);
  Result<NodeId> child_of(NodeId parent, std::string_view name) REQUIRES(mutex_);
  Result<Entry> add(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                    dev_t device, std::string_view content = {});
  Entry enter(NodeId id, Node& node) REQUIRES(mutex_);
  Result<> remove(NodeId parent, std::string_view name, bool directory) REQUIRES(mutex_);
  void drop_if_unused(NodeId id) REQUIRES(mutex_);

  Mutex mutex_;
  NodeId next_ GUARDED_BY(mutex_) = kRootNode + 1;
  std::unordered_map<NodeId, Node> nodes_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
