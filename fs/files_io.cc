// SPDX-License-Identifier: Apache-2.0
// Open files: open, read, write, close, fsync.
#include <fcntl.h>

#include "fs/file_content.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"

namespace vexfs {

Result<Opened> Files::open_file(const Caller& caller, NodeId id, int flags, Wait wait) {
  const NodeRef node = state_->pin(id);
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)) VEXFS_CHECK(state_->writable());
  if (flags & O_TRUNC) {
    SetAttr truncate;
    truncate.size = true;
    VEXFS_TRY([[maybe_unused]] const auto attributes, setattr(caller, id, truncate, wait));
  }
  bool read_time = false;
  {
    VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
    if (node->removed) return fail(ENOENT, "files: open of a removed file");
    if (node->inode.is_directory()) return fail(EISDIR, "files: open of a directory");
    if (S_ISLNK(node->inode.mode)) return fail(ELOOP, "files: open of a symlink");
    node->opens.fetch_add(1);
    state_->nodes.count_lookup(*node);  // an open keeps the node in memory, too
    read_time = (flags & O_ACCMODE) != O_WRONLY && state_->wants_atime(node->inode);
  }
  if (read_time) state_->note_access(node);
  return Opened{.keep_cache = state_->options.atime != Atime::strict};
}

void Files::release(NodeId id, std::uint64_t, int) {
  NodeRef node = state_->pin(id);
  state_->tell_closed(*node);
  const bool last = node->opens.fetch_sub(1) == 1;
  forget(id, 1);
  if (!last) return;
  if (node->flush_on_close.exchange(false)) state_->write_back.write_back_soon(node);
  state_->read_ahead.forget(node->ino);
  if (auto hold = ReadHold::take(state_->volume, *node, Wait::never);
      hold && (node->inode.links != 0 || node->removed))
    return;
  const Ino ino = node->ino;
  state_->remove_soon(ino, [state = state_.get(), node = std::move(node)] {
    return state->remove_closed(node.again());
  });
}

Result<std::size_t> Files::read(const Caller&, NodeId id, std::uint64_t, std::uint64_t offset,
                                MutableBytes into, Wait wait) {
  const NodeRef node = state_->pin(id);
  std::size_t bytes = 0;
  bool read_time = false;
  {
    VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
    if (!node->inode.is_regular()) return fail(EINVAL, "files: read of no regular file");
    if (node->removed) return fail(EIO, "files: read of a removed file");
    // Before it waits for the disk, so that both go on at once; with Wait::never only what was
    // answered, for the rest is asked again.
    if (wait == Wait::allowed) state_->note_read(node, offset, into.size());
    VEXFS_TRY(bytes, read_content(*state_, *node, offset, into, wait));
    if (wait == Wait::never) state_->note_read(node, offset, into.size());
    read_time = state_->wants_atime(node->inode);
  }
  if (read_time) state_->note_access(node);
  return bytes;
}

namespace {

// How much of the file is dirty then.
Result<std::size_t> write_once(FilesState& state, const Caller& caller, const NodeRef& node,
                               std::uint64_t offset, Bytes from, Wait wait) {
  VEXFS_TRY(const auto hold, WriteHold::take(state.volume, *node, wait));
  if (!node->inode.is_regular()) return fail(EINVAL, "files: write to no regular file");
  if (node->removed) return fail(EIO, "files: write to a removed file");
  VEXFS_CHECK(state.drop_capability(*node, wait));
  VEXFS_CHECK(write_content(state, *node, offset, from, wait));
  drop_set_id(caller, node->inode);
  state.touch_content(*node);
  state.mark_stale(node);
  return node->pages.waiting_count();
}

}  // namespace

Result<std::size_t> Files::write(const Caller& caller, NodeId id, std::uint64_t,
                                 std::uint64_t offset, Bytes from, Wait wait) {
  VEXFS_CHECK(state_->writable());
  if (offset > kFileBytesMax || from.size() > kFileBytesMax - offset)
    return fail(EFBIG, "files: file over 16 TiB");
  if (from.empty()) return 0;
  const NodeRef node = state_->pin(id);
  WriteBack& write_back = state_->write_back;
  VEXFS_CHECK(write_back.make_room(*node, from.size(), wait));
  auto dirty = write_once(*state_, caller, node, offset, from, wait);
  if (!dirty && dirty.error().code == ENOSPC && write_back.dirty_bytes() != 0) {
    // What is being written back takes its room twice until it is logged: reserved and placed. A
    // failure there is its own fsync's to tell.
    if (wait == Wait::never) return fail(EAGAIN, "files: no room before the rest is written back");
    static_cast<void>(write_back.write_back(*node));
    static_cast<void>(write_back.write_back_all());
    dirty = write_once(*state_, caller, node, offset, from, wait);
  }
  if (!dirty) return std::unexpected(dirty.error());
  write_back.write_back_if_large(node, *dirty);
  state_->index.changed(node->ino);
  return from.size();
}

Result<> Files::flush(const Caller&, NodeId id, std::uint64_t, Wait wait) {
  const NodeRef node = state_->pin(id);
  if (node->flush_on_close.load()) {
    if (wait == Wait::never) return fail(EAGAIN, "files: close writes back");
    node->flush_on_close = false;
    VEXFS_CHECK(state_->write_back.write_back(*node));
  }
  state_->tell_closed(*node);
  if (const int code = node->write_error.load()) return fail(code, "files: write-back failed");
  return {};
}

namespace {

// What is little goes into the log; false: there is more.
Result<bool> log_content(FilesState& state, const NodeRef& node, Wait wait) {
  std::size_t riders = 0;
  {
    VEXFS_TRY(const auto hold, WriteHold::take(state.volume, *node, wait));
    VEXFS_TRY(const bool all, state.write_back.log_pages(*node, wait));
    if (!all) return false;
    riders = node->pages.rider_count();
  }
  state.write_back.write_back_if_many_riders(node, riders);
  return true;
}

Result<> log_or_write_back(FilesState& state, const NodeRef& node) {
  VEXFS_TRY(const bool logged, log_content(state, node, Wait::allowed));
  return logged ? Result<>() : state.write_back.write_back(*node);
}

}  // namespace

void Files::fsync(const Caller&, NodeId id, std::uint64_t, bool, Done done) {
  NodeRef node = state_->pin(id);
  const auto durable = [](FilesState& state, Node& of, Done then) {
    state.volume.sync(Lsn{of.lsn.load()}, std::move(then));
  };
  if (node->write_error.load() == 0)
    if (const auto logged = log_content(*state_, node, Wait::never); logged && *logged)
      return durable(*state_, *node, std::move(done));
  state_->write_back.submit(
      [this, durable, node = std::move(node), done = std::move(done)]() mutable {
        auto written = log_or_write_back(*state_, node);
        // A failure of an earlier round is reported once, by the fsync that comes first.
        const int earlier = node->write_error.exchange(0);
        if (written && earlier) written = fail(earlier, "files: earlier write-back failed");
        if (!written) return done(written);
        durable(*state_, *node, std::move(done));
      });
}

void Files::sync_all(Done done) {
  state_->write_back.submit([this, done = std::move(done)]() mutable {
    if (auto written = state_->write_back.write_back_all(); !written) return done(written);
    state_->volume.sync(state_->volume.last_lsn(), std::move(done));
  });
}

}  // namespace vexfs
