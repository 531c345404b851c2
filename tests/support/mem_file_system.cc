// SPDX-License-Identifier: Apache-2.0
#include "tests/support/mem_file_system.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace vexfs {

MemFileSystem::MemFileSystem(uid_t uid, gid_t gid) {
  Node& root = nodes_[kRootNode];
  root.attr.st_ino = kRootNode;
  root.attr.st_mode = S_IFDIR | 0755;
  root.attr.st_nlink = 2;
  root.attr.st_uid = uid;
  root.attr.st_gid = gid;
  root.parent = kRootNode;
  root.lookups = 1;
}

std::size_t MemFileSystem::nodes_held() {
  Lock lock(mutex_);
  return nodes_.size();
}

Result<MemFileSystem::Node*> MemFileSystem::find(NodeId id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return fail(ESTALE, "mem: no such node");
  return &found->second;
}

Result<NodeId> MemFileSystem::child_of(NodeId parent, std::string_view name) {
  VEXFS_TRY(const Node* directory, find(parent));
  const auto found = directory->children.find(name);
  if (found == directory->children.end()) return fail(ENOENT, "mem: no such name");
  return found->second;
}

Entry MemFileSystem::enter(NodeId id, Node& node) {
  ++node.lookups;
  return {.node = id, .generation = 1, .attr = node.attr};
}

void MemFileSystem::drop_if_unused(NodeId id) {
  const auto found = nodes_.find(id);
  if (found->second.lookups == 0 && found->second.attr.st_nlink == 0) nodes_.erase(found);
}

Result<Entry> MemFileSystem::lookup(const Caller&, NodeId parent, std::string_view name, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const NodeId id, child_of(parent, name));
  return enter(id, nodes_[id]);
}

void MemFileSystem::forget(NodeId node, std::uint64_t lookups) {
  Lock lock(mutex_);
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  found->second.lookups -= std::min(lookups, found->second.lookups);
  drop_if_unused(node);
}

Result<Attributes> MemFileSystem::getattr(const Caller&, NodeId id, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* node, find(id));
  return Attributes{.attr = node->attr};
}

Result<Attributes> MemFileSystem::setattr(const Caller&, NodeId id, const SetAttr& change, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(Node * node, find(id));
  struct stat& attr = node->attr;
  const timespec now = wall_clock();
  if (change.mode) attr.st_mode = (attr.st_mode & S_IFMT) | (change.attr.st_mode & 07777);
  if (change.uid) attr.st_uid = change.attr.st_uid;
  if (change.gid) attr.st_gid = change.attr.st_gid;
  if (change.size) {
    attr.st_size = change.attr.st_size;
    node->content.resize(static_cast<std::size_t>(attr.st_size));
    attr.st_mtim = now;
  }
  if (change.atime || change.atime_now) attr.st_atim = change.atime_now ? now : change.attr.st_atim;
  if (change.mtime || change.mtime_now) attr.st_mtim = change.mtime_now ? now : change.attr.st_mtim;
  attr.st_ctim = now;
  return Attributes{.attr = attr};
}

Result<std::string> MemFileSystem::readlink(const Caller&, NodeId id, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* node, find(id));
  return node->content;
}

Result<Entry> MemFileSystem::add(const Caller& caller, NodeId parent, std::string_view name,
                                 mode_t mode, dev_t device, std::string_view content) {
  Lock lock(mutex_);
  if (child_of(parent, name)) return fail(EEXIST, "mem: the name is taken");
  const NodeId id = next_++;
  Node& node = nodes_[id];  // may move the table, so the parent is found after it
  VEXFS_TRY(Node * directory, find(parent));
  directory->children.emplace(name, id);
  node.parent = parent;
  node.content = content;
  node.attr.st_ino = id;
  node.attr.st_mode = mode;
  node.attr.st_nlink = S_ISDIR(mode) ? 2 : 1;
  if (S_ISDIR(mode)) ++directory->attr.st_nlink;
  node.attr.st_uid = caller.uid;
  node.attr.st_gid = caller.gid;
  node.attr.st_rdev = device;
  node.attr.st_size = static_cast<off_t>(content.size());
  node.attr.st_atim = node.attr.st_mtim = node.attr.st_ctim = wall_clock();
  directory->attr.st_mtim = directory->attr.st_ctim = node.attr.st_mtim;
  return enter(id, node);
}

Result<Entry> MemFileSystem::mknod(const Caller& caller, NodeId parent, std::string_view name,
                                   mode_t mode, dev_t device, Wait) {
  return add(caller, parent, name, mode, device);
}

Result<Entry> MemFileSystem::mkdir(const Caller& caller, NodeId parent, std::string_view name,
                                   mode_t mode, Wait) {
  return add(caller, parent, name, S_IFDIR | mode, 0);
}

Result<Entry> MemFileSystem::symlink(const Caller& caller, std::string_view target, NodeId parent,
                                     std::string_view name, Wait) {
  return add(caller, parent, name, S_IFLNK | 0777, 0, target);
}

Result<Entry> MemFileSystem::link(const Caller&, NodeId id, NodeId parent, std::string_view name,
                                  Wait) {
  Lock lock(mutex_);
  if (child_of(parent, name)) return fail(EEXIST, "mem: the name is taken");
  VEXFS_TRY(Node * node, find(id));
  VEXFS_TRY(Node * directory, find(parent));
  directory->children.emplace(name, id);
  ++node->attr.st_nlink;
  return enter(id, *node);
}

Result<> MemFileSystem::remove(NodeId parent, std::string_view name, bool directory) {
  VEXFS_TRY(const NodeId id, child_of(parent, name));
  Node& node = nodes_[id];
  Node& from = nodes_[parent];
  if (directory != S_ISDIR(node.attr.st_mode))
    return fail(directory ? ENOTDIR : EISDIR, "mem: the other kind of node");
  if (!node.children.empty()) return fail(ENOTEMPTY, "mem: directory is not empty");
  from.children.erase(from.children.find(name));
  from.attr.st_mtim = from.attr.st_ctim = node.attr.st_ctim = wall_clock();
  if (directory) {
    node.attr.st_nlink = 0;
    --from.attr.st_nlink;
  } else {
    --node.attr.st_nlink;
  }
  drop_if_unused(id);
  return {};
}

Result<> MemFileSystem::unlink(const Caller&, NodeId parent, std::string_view name, Wait) {
  Lock lock(mutex_);
  return remove(parent, name, /*directory=*/false);
}

Result<> MemFileSystem::rmdir(const Caller&, NodeId parent, std::string_view name, Wait) {
  Lock lock(mutex_);
  return remove(parent, name, /*directory=*/true);
}

Result<> MemFileSystem::rename(const Caller&, NodeId parent, std::string_view name,
                               NodeId new_parent, std::string_view new_name, unsigned flags, Wait) {
  if (flags != 0) return fail(EINVAL, "mem: plain renames only");
  Lock lock(mutex_);
  VEXFS_TRY(const NodeId id, child_of(parent, name));
  const bool directory = S_ISDIR(nodes_[id].attr.st_mode);
  if (const auto there = child_of(new_parent, new_name)) {
    if (*there == id) return {};
    VEXFS_CHECK(remove(new_parent, new_name, directory));
  }
  VEXFS_TRY(Node * to, find(new_parent));
  Node& from = nodes_[parent];
  from.children.erase(from.children.find(name));
  to->children.emplace(new_name, id);
  if (!directory) return {};
  nodes_[id].parent = new_parent;
  --from.attr.st_nlink;
  ++to->attr.st_nlink;
  return {};
}

Result<Created> MemFileSystem::create(const Caller& caller, NodeId parent,
                                                  std::string_view name, mode_t mode, int, Wait) {
  VEXFS_TRY(const Entry entry, add(caller, parent, name, S_IFREG | mode, 0));
  return Created{.entry = entry, .opened = {}};
}

Result<Opened> MemFileSystem::open_file(const Caller&, NodeId id, int, Wait) {
  Lock lock(mutex_);
  VEXFS_CHECK(find(id));
  return Opened{};
}

Result<std::size_t> MemFileSystem::read(const Caller&, NodeId id, std::uint64_t,
                                        std::uint64_t offset, MutableBytes into, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* node, find(id));
  if (offset >= node->content.size()) return 0;
  return node->content.copy(reinterpret_cast<char*>(into.data()), into.size(), offset);
}

Result<std::size_t> MemFileSystem::write(const Caller&, NodeId id, std::uint64_t,
                                         std::uint64_t offset, Bytes from, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(Node * node, find(id));
  if (offset + from.size() > node->content.size()) node->content.resize(offset + from.size());
  std::memcpy(node->content.data() + offset, from.data(), from.size());
  node->attr.st_size = static_cast<off_t>(node->content.size());
  node->attr.st_mtim = node->attr.st_ctim = wall_clock();
  return from.size();
}

Result<std::uint64_t> MemFileSystem::lseek(const Caller&, NodeId id, std::uint64_t,
                                           std::uint64_t offset, int whence, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* node, find(id));
  if (offset >= node->content.size()) return fail(ENXIO, "mem: beyond the end");
  return whence == SEEK_HOLE ? node->content.size() : offset;
}

Result<Opened> MemFileSystem::opendir(const Caller&, NodeId id, Wait) {
  Lock lock(mutex_);
  VEXFS_CHECK(find(id));
  return Opened{.cache_readdir = true};
}

// Cookies are positions, so an entry that comes or goes shifts the others: enough for a bench.
Result<> MemFileSystem::readdir(const Caller&, NodeId id, std::uint64_t, std::uint64_t after,
                                bool plus, EmitEntry emit, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* directory, find(id));
  std::uint64_t cookie = 0;
  const auto offer = [&](std::string_view name, NodeId child, const Entry* entry, mode_t mode) {
    return emit({.name = name, .node = child, .mode = mode, .next = cookie, .entry = entry});
  };
  if (++cookie > after && !offer(".", id, nullptr, S_IFDIR)) return {};
  if (++cookie > after && !offer("..", directory->parent, nullptr, S_IFDIR)) return {};
  for (const auto& [name, child] : directory->children) {
    if (++cookie <= after) continue;
    Node& node = nodes_[child];
    const Entry entry{.node = child, .generation = 1, .attr = node.attr};
    if (!offer(name, child, plus ? &entry : nullptr, node.attr.st_mode)) return {};
    if (plus) ++node.lookups;
  }
  return {};
}

Result<struct statvfs> MemFileSystem::statfs(NodeId, Wait) {
  struct statvfs facts{};
  facts.f_bsize = facts.f_frsize = kBlockBytes;
  facts.f_namemax = kNameBytesMax;
  return facts;
}

Result<> MemFileSystem::setxattr(const Caller&, NodeId id, std::string_view name, Bytes value,
                                 int flags, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(Node * node, find(id));
  const auto found = node->xattrs.find(name);
  const bool there = found != node->xattrs.end();
  if (there && (flags & XATTR_CREATE) != 0) return fail(EEXIST, "mem: the attribute exists");
  if (!there && (flags & XATTR_REPLACE) != 0) return fail(ENODATA, "mem: no such attribute");
  if (there)
    found->second = as_text(value);
  else
    node->xattrs.emplace(name, as_text(value));
  return {};
}

Result<std::string> MemFileSystem::getxattr(const Caller&, NodeId id, std::string_view name,
                                            std::size_t, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* node, find(id));
  const auto found = node->xattrs.find(name);
  if (found == node->xattrs.end()) return fail(ENODATA, "mem: no such attribute");
  return found->second;
}

Result<std::string> MemFileSystem::listxattr(const Caller&, NodeId id, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(const Node* node, find(id));
  std::string names;
  for (const auto& [name, value] : node->xattrs) names.append(name).push_back('\0');
  return names;
}

Result<> MemFileSystem::removexattr(const Caller&, NodeId id, std::string_view name, Wait) {
  Lock lock(mutex_);
  VEXFS_TRY(Node * node, find(id));
  const auto found = node->xattrs.find(name);
  if (found == node->xattrs.end()) return fail(ENODATA, "mem: no such attribute");
  node->xattrs.erase(found);
  return {};
}

}  // namespace vexfs
