// SPDX-License-Identifier: Apache-2.0
// rename: one name to another, over what stood there, or two of them exchanged.
#include <stdio.h>

#include <optional>

#include "fs/files_state.h"
#include "fs/inode_format.h"

namespace vexfs {

namespace {

bool is_directory(const Dentry& entry) {
  return S_ISDIR(entry.type);
}

// What a rename is about, from the trees as they are at one moment.
struct Plan {
  Dentry source;
  std::optional<Dentry> target;
  std::uint64_t new_cookie = 0;  // for the new name, when there is no target
};

Result<Plan> read_plan(FilesState& state, Ino from, std::string_view name, Ino to,
                       std::string_view new_name, Wait wait) {
  Plan plan;
  VEXFS_TRY(plan.source, state.directory(from).find(name, wait));
  const Directory directory = state.directory(to);
  if (const auto target = directory.find(new_name, wait)) {
    plan.target = *target;
  } else if (target.error().code == ENOENT) {
    VEXFS_TRY(plan.new_cookie, directory.free_cookie(new_name, wait));
  } else {
    return std::unexpected(target.error());
  }
  return plan;
}

// EINVAL when `directory` is `inside` or above it. With directory_moves held: parents stay.
Result<> check_no_loop(Volume& volume, Ino directory, Ino inside, Wait wait) {
  std::string record;
  for (Ino at = inside;;) {
    if (at == directory) return fail(EINVAL, "files: a directory cannot go below itself");
    if (at == kRootIno) return {};
    VEXFS_CHECK(volume.get(Tree::inode, ino_key(at), record, wait));
    VEXFS_TRY(const Inode inode, Inode::decode(as_bytes(record)));
    at = inode.parent;
  }
}

// The lock of directory moves, where one is needed.
class MoveLock {
 public:
  static Result<MoveLock> take(Mutex& mutex, bool needed, Wait wait)
      VEXFS_TSA(no_thread_safety_analysis) {
    if (!needed) return MoveLock(nullptr);
    if (wait == Wait::allowed)
      mutex.lock();
    else if (!mutex.try_lock())
      return fail(EAGAIN, "files: directories are being moved");
    return MoveLock(&mutex);
  }
  MoveLock(MoveLock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
  MoveLock& operator=(MoveLock&&) = delete;
  ~MoveLock() VEXFS_TSA(no_thread_safety_analysis) {
    if (mutex_) mutex_->unlock();
  }

 private:
  explicit MoveLock(Mutex* mutex) : mutex_(mutex) {}
  Mutex* mutex_;
};

// A rename in progress: the nodes, locked, and the change.
class Move {
 public:
  Move(FilesState& state, std::string_view name, std::string_view new_name, Wait wait)
      : state_(state), name_(name), new_name_(new_name), wait_(wait), change_(state.volume) {}

  NodeRef from, to, source, target;
  Plan plan;
  FilesState::Loss loss = FilesState::Loss::waits;

  Result<> replace();
  Result<> exchange();

 private:
  Result<> check_target();
  void relocate(Node& node, Node& old_parent, Node& new_parent);
  void touch(Inode& directory, std::int64_t entries, std::int64_t subdirectories);

  FilesState& state_;
  const std::string_view name_, new_name_;
  const Wait wait_;
  Change change_;
};

Result<> Move::check_target() {
  if (is_directory(*plan.target) && !is_directory(plan.source))
    return fail(EISDIR, "files: rename over a directory");
  if (!is_directory(*plan.target) && is_directory(plan.source))
    return fail(ENOTDIR, "files: rename of a directory over a file");
  if (!is_directory(*plan.target)) return {};
  VEXFS_TRY(const bool empty, state_.directory(plan.target->ino).empty(wait_));
  if (!empty) return fail(ENOTEMPTY, "files: rename over a filled directory");
  return {};
}

void Move::touch(Inode& directory, std::int64_t entries, std::int64_t subdirectories) {
  directory.size += static_cast<std::uint64_t>(entries) * kBytesPerEntry;
  directory.links += static_cast<std::uint32_t>(subdirectories);
  directory.mtime_ns = directory.ctime_ns = now_ns();
}

void Move::relocate(Node& node, Node& old_parent, Node& new_parent) {
  Inode& inode = change_.edit(node);
  inode.ctime_ns = now_ns();
  if (inode.is_directory() && old_parent.ino != new_parent.ino) inode.parent = new_parent.ino;
  state_.index.log_moved(change_.transaction, node.ino, old_parent.ino, new_parent.ino);
}

Result<> Move::replace() {
  const bool directory = is_directory(plan.source);
  const Directory old_directory = state_.directory(from->ino),
                  new_directory = state_.directory(to->ino);
  Dentry entry = plan.source;
  old_directory.erase(change_.transaction, plan.source);
  touch(change_.edit(*from), -1, directory ? -1 : 0);
  std::int64_t entries = 1, subdirectories = directory ? 1 : 0;
  entry.cookie = plan.new_cookie;
  if (plan.target) {
    VEXFS_CHECK(check_target());
    entry.cookie = plan.target->cookie;
    new_directory.erase(change_.transaction, *plan.target);
    Inode& inode = change_.edit(*target);
    inode.ctime_ns = now_ns();
    inode.links = inode.is_directory() ? 0 : inode.links - 1;
    entries = 0;
    if (inode.is_directory()) --subdirectories;
    if (inode.links == 0) {
      VEXFS_TRY(loss, state_.lose_last_name(change_, *target, wait_));
    }
  }
  new_directory.put(change_.transaction, new_name_, entry);
  touch(change_.edit(*to), entries, subdirectories);
  relocate(*source, *from, *to);
  VEXFS_CHECK(change_.commit({.wait = wait_, .freeing = plan.target.has_value()}));
  if (target) state_.mark_lost(*target, loss);
  return {};
}

Result<> Move::exchange() {
  const Directory old_directory = state_.directory(from->ino),
                  new_directory = state_.directory(to->ino);
  old_directory.erase(change_.transaction, plan.source);
  new_directory.erase(change_.transaction, *plan.target);
  Dentry here = *plan.target, there = plan.source;
  here.cookie = plan.source.cookie;
  there.cookie = plan.target->cookie;
  old_directory.put(change_.transaction, name_, here);
  new_directory.put(change_.transaction, new_name_, there);
  const std::int64_t out = is_directory(plan.source), in = is_directory(*plan.target);
  touch(change_.edit(*from), 0, in - out);
  touch(change_.edit(*to), 0, out - in);
  relocate(*source, *from, *to);
  relocate(*target, *to, *from);
  return change_.commit({.wait = wait_});
}

struct Names {
  Ino from{};
  std::string_view name;
  Ino to{};
  std::string_view new_name;
  bool exchange = false, no_replace = false;
};

// Flushes the source over an existing target: after a crash the name shows the old content or
// the whole new one.
Result<> flush_source(FilesState& state, Ino source, Wait wait) {
  const NodeRef node = state.nodes.find(source);
  if (!node) return {};
  {
    VEXFS_TRY(const auto hold, ReadHold::take(state.volume, *node, wait));
    if (node->pages.empty()) return {};
  }
  if (wait == Wait::never) return fail(EAGAIN, "files: rename writes back");
  return state.write_back.write_back(*node);
}

// True: done. False: names changed meanwhile, again.
Result<bool> try_rename(FilesState& state, const Names& names, Wait wait) {
  Move move(state, names.name, names.new_name, wait);
  VEXFS_TRY(const Plan seen,
            read_plan(state, names.from, names.name, names.to, names.new_name, wait));
  if (names.exchange && !seen.target) return fail(ENOENT, "files: nothing to exchange with");
  if (names.no_replace && seen.target) return fail(EEXIST, "files: the new name is taken");
  if (seen.target && seen.target->ino == seen.source.ino) return true;  // POSIX: nothing to do
  VEXFS_CHECK(state.index.check_move(seen.source.ino, names.from, names.to));
  if (names.exchange) VEXFS_CHECK(state.index.check_move(seen.target->ino, names.to, names.from));
  if (seen.target && !names.exchange) VEXFS_CHECK(flush_source(state, seen.source.ino, wait));

  const bool moves_directory =
      names.from != names.to &&
      (is_directory(seen.source) || (names.exchange && is_directory(*seen.target)));
  VEXFS_TRY(const auto moves, MoveLock::take(state.directory_moves, moves_directory, wait));
  if (moves_directory && is_directory(seen.source))
    VEXFS_CHECK(check_no_loop(state.volume, seen.source.ino, names.to, wait));
  if (moves_directory && names.exchange && is_directory(*seen.target))
    VEXFS_CHECK(check_no_loop(state.volume, seen.target->ino, names.from, wait));

  move.from = state.nodes.pin(names.from);
  move.to = state.nodes.pin(names.to);
  move.source = state.nodes.pin(seen.source.ino);
  if (seen.target) move.target = state.nodes.pin(seen.target->ino);
  {
    VEXFS_TRY(const auto hold,
              WriteHold::take(state.volume,
                              WriteHold::Nodes{move.from.get(), move.to.get(), move.source.get(),
                                               move.target.get()},
                              wait));
    for (const Node* parent : {move.from.get(), move.to.get()}) {
      if (!parent->inode.is_directory()) return fail(ENOTDIR, "files: not a directory");
      if (parent->removed) return fail(ENOENT, "files: the directory is gone");
    }
    VEXFS_TRY(move.plan, read_plan(state, names.from, names.name, names.to, names.new_name, wait));
    const auto target_ino = [](const Plan& p) { return p.target ? p.target->ino : Ino{}; };
    if (move.plan.source.ino != seen.source.ino || target_ino(move.plan) != target_ino(seen))
      return false;
    VEXFS_CHECK(names.exchange ? move.exchange() : move.replace());
  }
  state.index.moved(move.source->ino, names.from, names.to);
  if (names.exchange) state.index.moved(move.target->ino, names.to, names.from);
  if (names.exchange || !move.target) return true;
  state.index.moved(move.target->ino, names.to, Ino{});
  state.tell_lost(std::move(move.target), move.loss);
  return true;
}

}  // namespace

Result<> Files::rename(const Caller&, NodeId parent, std::string_view name, NodeId new_parent,
                       std::string_view new_name, unsigned flags, Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_CHECK(check_new_name(name));
  VEXFS_CHECK(check_new_name(new_name));
  const bool exchange = (flags & RENAME_EXCHANGE) != 0,
             no_replace = (flags & RENAME_NOREPLACE) != 0;
  if ((flags & ~unsigned{RENAME_EXCHANGE | RENAME_NOREPLACE}) != 0 || (exchange && no_replace))
    return fail(EINVAL, "files: rename flags");
  const Names names{.from = ino_of(parent),
                    .name = name,
                    .to = ino_of(new_parent),
                    .new_name = new_name,
                    .exchange = exchange,
                    .no_replace = no_replace};
  for (;;) {
    VEXFS_TRY(const bool done, try_rename(*state_, names, wait));
    if (done) return {};
  }
}

}  // namespace vexfs
