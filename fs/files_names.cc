// SPDX-License-Identifier: Apache-2.0
// Names: finding, making and removing them; fs/files_rename.cc moves them.
#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "fs/files_state.h"
#include "storage/extent_format.h"

namespace vexfs {

namespace {

// The inode that a new name will stand for.
Inode new_inode(const Caller& caller, const Inode& parent, mode_t mode) {
  const std::int64_t now = now_ns();
  const bool group_of_parent = (parent.mode & S_ISGID) != 0;
  Inode inode;
  inode.mode = mode;
  if (group_of_parent && S_ISDIR(mode)) inode.mode |= S_ISGID;
  inode.uid = caller.uid;
  inode.gid = group_of_parent ? parent.gid : caller.gid;
  inode.links = S_ISDIR(mode) ? 2 : 1;
  inode.birth_ns = inode.ctime_ns = inode.mtime_ns = inode.atime_ns = now;
  return inode;
}

void add_entry(Inode& directory, bool subdirectory) {
  directory.size += kBytesPerEntry;
  if (subdirectory) ++directory.links;
  directory.mtime_ns = directory.ctime_ns = now_ns();
}

void remove_entry(Inode& directory, bool subdirectory) {
  directory.size -= std::min(directory.size, kBytesPerEntry);
  if (subdirectory) --directory.links;
  directory.mtime_ns = directory.ctime_ns = now_ns();
}

// A directory that can take new names, with its lock held.
Result<> check_alive_directory(const Node& node) {
  if (!node.inode.is_directory()) return fail(ENOTDIR, "files: not a directory");
  if (node.removed) return fail(ENOENT, "files: the directory is gone");
  return {};
}

// A name and the two nodes it joins, locked for changing.
struct NameHold {
  NodeRef parent, child;
  Dentry entry;
  WriteHold hold;
};

// Locks in the order of numbers need the child's number first, so the name is read twice.
Result<NameHold> hold_name(FilesState& state, NodeId parent_id, std::string_view name, Wait wait) {
  if (name.size() > kNameBytesMax) return fail(ENAMETOOLONG, "files: name over 255 bytes");
  const Directory directory = state.directory(ino_of(parent_id));
  for (;;) {
    NodeRef parent = state.pin(parent_id), child;
    {
      VEXFS_TRY(const auto hold, ReadHold::take(state.volume, *parent, wait));
      VEXFS_CHECK(check_alive_directory(*parent));
      VEXFS_TRY(const Dentry entry, directory.find(name, wait));
      child = state.nodes.pin(entry.ino);
    }
    VEXFS_TRY(auto hold,
              WriteHold::take(state.volume, WriteHold::Nodes{parent.get(), child.get()}, wait));
    VEXFS_CHECK(check_alive_directory(*parent));
    VEXFS_TRY(const Dentry entry, directory.find(name, wait));
    if (entry.ino == child->ino)
      return NameHold{std::move(parent), std::move(child), entry, std::move(hold)};
  }
}

struct NewNode {
  mode_t mode = 0;
  dev_t device = 0;
  std::string_view target = {};  // of a symlink
};

// Makes an inode under a name. The node stays pinned by the caller.
Result<Entry> make_node(FilesState& state, const Caller& caller, NodeId parent_id,
                        std::string_view name, const NewNode& what, Wait wait, NodeRef& node) {
  VEXFS_CHECK(state.writable());
  VEXFS_CHECK(check_new_name(name));
  const NodeRef parent = state.pin(parent_id);
  std::optional<Entry> made;
  {
    VEXFS_TRY(const auto hold, WriteHold::take(state.volume, *parent, wait));
    VEXFS_CHECK(check_alive_directory(*parent));
    const Directory directory = state.directory(parent->ino);
    VEXFS_TRY(const std::uint64_t cookie, directory.free_cookie(name, wait));
    VEXFS_TRY(const Ino ino, state.new_ino(wait));
    node = state.nodes.pin(ino);
    node->loaded = true;  // nobody else knows the number yet
    VEXFS_TRY(const auto new_hold, WriteHold::take(state.volume, *node, wait));
    Change change(state.volume);
    Inode& inode = change.edit(*node) = new_inode(caller, parent->inode, what.mode);
    inode.rdev = what.device;
    if (inode.is_directory()) inode.parent = parent->ino;
    if (S_ISLNK(what.mode)) {
      inode.size = what.target.size();
      const std::string value = static_cast<char>(ExtentKind::target) + std::string(what.target);
      change.transaction.put(Tree::extent, extent_key(ino, 0), as_bytes(value));
    }
    if (inode.is_regular()) inode.content = state.clock.next();
    add_entry(change.edit(*parent), inode.is_directory());
    directory.put(change.transaction, name,
                  {.cookie = cookie, .ino = ino, .type = inode.mode & S_IFMT});
    VEXFS_CHECK(change.commit({.wait = wait}));
    made = state.entry_of(*node);
    node->changed = node->inode.is_regular();  // the index is told when its maker closes it
  }
  state.index.moved(node->ino, Ino{}, parent->ino);
  return *made;
}

}  // namespace

Result<Entry> Files::lookup(const Caller&, NodeId parent_id, std::string_view name, Wait wait) {
  if (name.size() > kNameBytesMax) return fail(ENAMETOOLONG, "files: name over 255 bytes");
  const NodeRef parent = state_->pin(parent_id);
  NodeRef child;
  {
    VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *parent, wait));
    if (name == "." && !parent->removed) return state_->entry_of(*parent);
    VEXFS_CHECK(check_alive_directory(*parent));
    if (name == "..") {
      child = state_->nodes.pin(parent->inode.parent);
    } else {
      VEXFS_TRY(const Dentry entry, state_->directory(parent->ino).find(name, wait));
      child = state_->nodes.pin(entry.ino);
    }
  }
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *child, wait));
  if (child->removed) return fail(ENOENT, "files: removed meanwhile");
  return state_->entry_of(*child);
}

void Files::forget(NodeId node, std::uint64_t lookups) {
  state_->nodes.forget(ino_of(node), lookups);
}

Result<Entry> Files::mknod(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                           dev_t device, Wait wait) {
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;
  const bool known =
      S_ISREG(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
  if (!known) return fail(EINVAL, "files: mknod of no known type");
  if (!S_ISCHR(mode) && !S_ISBLK(mode)) device = 0;
  NodeRef node;
  auto made =
      make_node(*state_, caller, parent, name, {.mode = mode, .device = device}, wait, node);
  if (made) state_->tell_closed(*node);  // nobody has it open
  return made;
}

Result<Entry> Files::mkdir(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                           Wait wait) {
  NodeRef node;
  return make_node(*state_, caller, parent, name, {.mode = (mode & 07777) | S_IFDIR}, wait, node);
}

Result<Entry> Files::symlink(const Caller& caller, std::string_view target, NodeId parent,
                             std::string_view name, Wait wait) {
  if (target.empty()) return fail(ENOENT, "files: symlink to nothing");
  if (target.size() > kTargetBytesMax) return fail(ENAMETOOLONG, "files: target too long");
  NodeRef node;
  return make_node(*state_, caller, parent, name, {.mode = S_IFLNK | 0777, .target = target}, wait,
                   node);
}

Result<Files::Created> Files::create(const Caller& caller, NodeId parent, std::string_view name,
                                     mode_t mode, int flags, Wait wait) {
  NodeRef node;
  auto made =
      make_node(*state_, caller, parent, name, {.mode = (mode & 07777) | S_IFREG}, wait, node);
  if (made) {
    flags &= ~O_TRUNC;
    wait = Wait::allowed;  // the name is there now, and the node in memory
  } else {
    // The kernel sends CREATE only for names it believes absent; another client may have been
    // faster, and then O_CREAT without O_EXCL opens what is there.
    if (made.error().code != EEXIST || (flags & O_EXCL)) return std::unexpected(made.error());
    const Error exists = made.error();
    made = lookup(caller, parent, name, wait);
    if (!made) return std::unexpected(made.error());
    if (!S_ISREG(made->attr.st_mode)) {
      forget(made->node, 1);
      return std::unexpected(exists);
    }
  }
  const auto opened = open_file(caller, made->node, flags, wait);
  if (!opened) {
    forget(made->node, 1);
    return std::unexpected(opened.error());
  }
  return Created{.entry = *made, .opened = *opened};
}

Result<Entry> Files::link(const Caller&, NodeId node_id, NodeId parent_id, std::string_view name,
                          Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_CHECK(check_new_name(name));
  VEXFS_CHECK(state_->index.check_move(ino_of(node_id), Ino{}, ino_of(parent_id)));
  const NodeRef node = state_->pin(node_id), parent = state_->pin(parent_id);
  std::optional<Entry> made;
  {
    VEXFS_TRY(const auto hold,
              WriteHold::take(state_->volume, WriteHold::Nodes{node.get(), parent.get()}, wait));
    VEXFS_CHECK(check_alive_directory(*parent));
    if (node->inode.is_directory()) return fail(EPERM, "files: hard link to a directory");
    if (node->inode.links == 0) return fail(ENOENT, "files: link to a removed file");
    if (node->inode.links >= kFileLinksMax) return fail(EMLINK, "files: too many links");
    const Directory directory = state_->directory(parent->ino);
    VEXFS_TRY(const std::uint64_t cookie, directory.free_cookie(name, wait));
    Change change(state_->volume);
    Inode& inode = change.edit(*node);
    ++inode.links;
    inode.ctime_ns = now_ns();
    add_entry(change.edit(*parent), false);
    directory.put(change.transaction, name,
                  {.cookie = cookie, .ino = node->ino, .type = inode.mode & S_IFMT});
    VEXFS_CHECK(change.commit({.wait = wait}));
    made = state_->entry_of(*node);
  }
  state_->index.moved(node->ino, Ino{}, parent->ino);
  return *made;
}

Result<> Files::unlink(const Caller&, NodeId parent_id, std::string_view name, Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_CHECK(check_new_name(name));
  VEXFS_TRY(auto names, hold_name(*state_, parent_id, name, wait));
  Node &parent = *names.parent, &child = *names.child;
  if (child.inode.is_directory()) return fail(EISDIR, "files: unlink of a directory");
  Change change(state_->volume);
  remove_entry(change.edit(parent), false);
  state_->directory(parent.ino).erase(change.transaction, names.entry);
  Inode& inode = change.edit(child);
  inode.ctime_ns = now_ns();
  auto loss = FilesState::Loss::waits;
  if (--inode.links == 0) {
    VEXFS_TRY(loss, state_->lose_last_name(change, child, wait));
  } else {
    state_->index.log_moved(change.transaction, child.ino, parent.ino, Ino{});
  }
  VEXFS_CHECK(change.commit({.wait = wait, .freeing = true}));
  state_->mark_lost(child, loss);
  names.hold.release();
  state_->index.moved(child.ino, parent.ino, Ino{});
  state_->tell_lost(std::move(names.child), loss);
  return {};
}

Result<> Files::rmdir(const Caller&, NodeId parent_id, std::string_view name, Wait wait) {
  VEXFS_CHECK(state_->writable());
  if (name == ".") return fail(EINVAL, "files: rmdir of .");
  if (name == "..") return fail(ENOTEMPTY, "files: rmdir of ..");
  VEXFS_CHECK(check_new_name(name));
  VEXFS_TRY(auto names, hold_name(*state_, parent_id, name, wait));
  Node &parent = *names.parent, &child = *names.child;
  if (!child.inode.is_directory()) return fail(ENOTDIR, "files: rmdir of no directory");
  VEXFS_TRY(const bool empty, state_->directory(child.ino).empty(wait));
  if (!empty) return fail(ENOTEMPTY, "files: directory is not empty");
  Change change(state_->volume);
  remove_entry(change.edit(parent), true);
  state_->directory(parent.ino).erase(change.transaction, names.entry);
  change.edit(child).links = 0;
  VEXFS_TRY(const auto loss, state_->lose_last_name(change, child, wait));
  VEXFS_CHECK(change.commit({.wait = wait, .freeing = true}));
  state_->mark_lost(child, loss);
  names.hold.release();
  state_->index.moved(child.ino, parent.ino, Ino{});
  state_->tell_lost(std::move(names.child), loss);
  return {};
}

}  // namespace vexfs
