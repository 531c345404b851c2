// SPDX-License-Identifier: Apache-2.0
// Names: finding, making and removing them; fs/files_rename.cc moves them.
#include <fcntl.h>

#include <algorithm>
#include <optional>

#include "fs/files_state.h"
#include "fs/inode_format.h"
#include "storage/extent_format.h"

namespace vexfs {

namespace {

// Makes `inode` what a new name will stand for.
void fill_inode(Inode& inode, const Caller& caller, const Inode& parent, mode_t mode) {
  const std::int64_t now = now_ns();
  const bool group_of_parent = (parent.mode & S_ISGID) != 0;
  inode.mode = mode;
  if (group_of_parent && S_ISDIR(mode)) inode.mode |= S_ISGID;
  inode.uid = caller.uid;
  inode.gid = group_of_parent ? parent.gid : caller.gid;
  inode.links = S_ISDIR(mode) ? 2 : 1;
  inode.birth_ns = inode.ctime_ns = inode.mtime_ns = inode.atime_ns = now;
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

struct NewName {
  std::string_view text;
  std::uint64_t cookie = 0;
};

// The inode of a new file that no name leads to: an orphan, from its first transaction on.
Result<> make_orphan(FilesState& state, const Caller& caller, NodeId parent_id, mode_t mode,
                     Wait wait, NodeRef& node) {
  VEXFS_CHECK(state.writable());
  const NodeRef parent = state.pin(parent_id);
  VEXFS_TRY(const auto hold, ReadHold::take(state.volume, *parent, wait));
  VEXFS_CHECK(check_alive_directory(*parent));
  VEXFS_TRY(const Ino ino, state.new_ino(wait));
  node = state.nodes.pin(ino);
  node->loaded = true;
  VEXFS_TRY(const auto new_hold, WriteHold::take(state.volume, *node, wait));
  Change change(state.volume);
  Inode& inode = change.edit(*node);
  fill_inode(inode, caller, parent->inode, S_IFREG | (mode & 07777));
  inode.links = 0;
  inode.content = state.clock.next();
  VEXFS_CHECK(state.inherit_acl(change, *parent, *node, caller, wait));
  change.transaction.put(Tree::orphan, ino_key(ino), {});
  return change.commit({.wait = wait});
}

// The transaction that makes an inode under a name. With both locks held. Not inline: what it needs
// is not on the stack while the name is looked for.
[[gnu::noinline]] Result<> log_node(FilesState& state, const Caller& caller, Node& parent,
                                    const NewName& name, const NewNode& what, Wait wait,
                                    Node& node) {
  Change change(state.volume);
  Inode& inode = change.edit(node);
  fill_inode(inode, caller, parent.inode, what.mode);
  inode.rdev = what.device;
  if (inode.is_directory()) inode.parent = parent.ino;
  if (S_ISLNK(what.mode)) {
    inode.size = what.target.size();
    const std::string value = static_cast<char>(ExtentKind::target) + std::string(what.target);
    change.transaction.put(Tree::extent, extent_key(node.ino, 0), as_bytes(value));
  }
  if (inode.is_regular()) inode.content = state.clock.next();
  VEXFS_CHECK(state.inherit_acl(change, parent, node, caller, wait));
  add_entry(change.edit(parent), inode.is_directory());
  state.directory(parent.ino)
      .put(change.transaction, name.text,
           {.cookie = name.cookie, .ino = node.ino, .type = inode.mode & S_IFMT});
  return change.commit({.wait = wait});
}

// An inode with a number that nobody else knows yet.
[[gnu::noinline]] Result<> pin_new(FilesState& state, Wait wait, NodeRef& node) {
  VEXFS_TRY(const Ino ino, state.new_ino(wait));
  node = state.nodes.pin(ino);
  node->loaded = true;
  return {};
}

[[gnu::noinline]] void fill_entry(FilesState& state, Node& node, Entry& entry) {
  entry = state.entry_of(node);
}

// Makes an inode under a name. The node stays pinned by the caller, who gives `made` a place: on
// the way down nobody holds one for it.
Result<> make_node(FilesState& state, const Caller& caller, NodeId parent_id, std::string_view name,
                   const NewNode& what, Wait wait, NodeRef& node, Entry& made) {
  VEXFS_CHECK(state.writable());
  VEXFS_CHECK(check_new_name(name));
  const NodeRef parent = state.pin(parent_id);
  {
    VEXFS_CHECK(pin_new(state, wait, node));
    VEXFS_TRY(const auto hold,
              WriteHold::take(state.volume, WriteHold::Nodes{parent.get(), node.get()}, wait));
    VEXFS_CHECK(check_alive_directory(*parent));
    VEXFS_TRY(const std::uint64_t cookie, state.directory(parent->ino).free_cookie(name, wait));
    VEXFS_CHECK(
        log_node(state, caller, *parent, {.text = name, .cookie = cookie}, what, wait, *node));
    fill_entry(state, *node, made);
  }
  return {};  // the index hears of it when it has content
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
  Result<Entry> made;  // in its place
  VEXFS_CHECK(make_node(*state_, caller, parent, name, {.mode = mode, .device = device}, wait, node,
                        *made));
  state_->tell_closed(*node);  // nobody has it open
  return made;
}

Result<Entry> Files::mkdir(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                           Wait wait) {
  NodeRef node;
  Result<Entry> made;
  VEXFS_CHECK(make_node(*state_, caller, parent, name, {.mode = (mode & 07777) | S_IFDIR}, wait,
                        node, *made));
  return made;
}

Result<Entry> Files::symlink(const Caller& caller, std::string_view target, NodeId parent,
                             std::string_view name, Wait wait) {
  if (target.empty()) return fail(ENOENT, "files: symlink to nothing");
  if (target.size() > kTargetBytesMax) return fail(ENAMETOOLONG, "files: target too long");
  NodeRef node;
  Result<Entry> made;
  VEXFS_CHECK(make_node(*state_, caller, parent, name, {.mode = S_IFLNK | 0777, .target = target},
                        wait, node, *made));
  return made;
}

// The kernel sends CREATE only for names it believes absent; another client may have been
// faster, and then O_CREAT without O_EXCL opens what is there.
Result<> Files::find_existing(const Caller& caller, NodeId parent, std::string_view name, Wait wait,
                              Entry& found) {
  VEXFS_TRY(found, lookup(caller, parent, name, wait));
  if (S_ISREG(found.attr.st_mode)) return {};
  forget(found.node, 1);
  return fail(EEXIST, "directory: the name is taken");
}

Result<Created> Files::create(const Caller& caller, NodeId parent, std::string_view name,
                              mode_t mode, int flags, Wait wait) {
  Result<Created> created;  // what it becomes is made in its place
  NodeRef node;
  auto made = make_node(*state_, caller, parent, name, {.mode = (mode & 07777) | S_IFREG}, wait,
                        node, created->entry);
  if (made) {
    flags &= ~O_TRUNC;
    wait = Wait::allowed;  // the name is there now, and the node in memory
  } else if (made.error().code == EEXIST && (flags & O_EXCL) == 0) {
    made = find_existing(caller, parent, name, wait, created->entry);
  }
  if (!made) return std::unexpected(made.error());
  if (const auto opened = open_file(caller, created->entry.node, flags, wait)) {
    created->opened = *opened;
  } else {
    forget(created->entry.node, 1);
    created = std::unexpected(opened.error());
  }
  return created;
}

Result<Created> Files::create_unnamed(const Caller& caller, NodeId parent, mode_t mode, int flags,
                                      Wait wait) {
  NodeRef node;
  VEXFS_CHECK(make_orphan(*state_, caller, parent, mode, wait, node));
  // In memory now, so this cannot have to wait; its last close removes it.
  VEXFS_TRY(const Opened opened,
            open_file(caller, id_of(node->ino), flags & ~O_TRUNC, Wait::allowed));
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, Wait::allowed));
  return Created{.entry = state_->entry_of(*node), .opened = opened};
}

Result<Entry> Files::link(const Caller&, NodeId node_id, NodeId parent_id, std::string_view name,
                          Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_CHECK(check_new_name(name));
  VEXFS_CHECK(state_->index.check_move(ino_of(node_id), Ino{}, ino_of(parent_id)));
  const NodeRef node = state_->pin(node_id), parent = state_->pin(parent_id);
  std::optional<Entry> made;
  bool unnamed = false;  // and open: O_TMPFILE. (Of what lost its names the kernel refuses it.)
  {
    VEXFS_TRY(const auto hold,
              WriteHold::take(state_->volume, WriteHold::Nodes{node.get(), parent.get()}, wait));
    VEXFS_CHECK(check_alive_directory(*parent));
    if (node->inode.is_directory()) return fail(EPERM, "files: hard link to a directory");
    unnamed = node->inode.links == 0;
    if (node->removed || (unnamed && node->opens.load() == 0))
      return fail(ENOENT, "files: link to a removed file");
    if (node->inode.links >= kFileLinksMax) return fail(EMLINK, "files: too many links");
    const Directory directory = state_->directory(parent->ino);
    VEXFS_TRY(const std::uint64_t cookie, directory.free_cookie(name, wait));
    Change change(state_->volume);
    Inode& inode = change.edit(*node);
    ++inode.links;
    if (unnamed) change.transaction.erase(Tree::orphan, ino_key(node->ino));
    inode.ctime_ns = now_ns();
    add_entry(change.edit(*parent), false);
    directory.put(change.transaction, name,
                  {.cookie = cookie, .ino = node->ino, .type = inode.mode & S_IFMT});
    VEXFS_CHECK(change.commit({.wait = wait}));
    made = state_->entry_of(*node);
    if (unnamed) node->changed = true;  // what it holds could be found by nobody so far
  }
  state_->index.moved(node->ino, Ino{}, parent->ino);
  if (unnamed) state_->index.changed(node->ino);
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
