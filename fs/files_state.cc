// SPDX-License-Identifier: Apache-2.0
#include "fs/files_state.h"

#include <cstring>

#include "fs/inode_format.h"
#include "storage/rider_format.h"

namespace vexfs {

namespace {
// Numbers reserved by one transaction; what a crash leaves unused is lost, of 2^63.
constexpr std::uint64_t kInoRange = 65'536;
constexpr std::int64_t kDayNs = 86'400'000'000'000;
}  // namespace

FilesState::FilesState(Volume& on, ContentIndex& to, const FilesOptions& with)
    : volume(on),
      index(to),
      options(with),
      read_only(with.read_only || on.read_only()),
      name_seed(on.info().id_low),
      clock(on.info().mount_epoch),
      write_back(on, to, clock,
                 {.commit_seconds = with.commit_seconds,
                  .dirty_bytes_max = with.dirty_bytes_max,
                  .compression = with.compression}),
      read_ahead(on, with.read_ahead_bytes) {}

Result<> FilesState::writable() const {
  if (read_only) return fail(EROFS, "files: mounted read-only");
  return {};
}

Result<Ino> FilesState::new_ino(Wait wait) {
  Lock lock(ino_mutex_);
  if (next_ino_ == 0) {
    std::string value;
    VEXFS_CHECK(volume.get(Tree::meta, as_bytes(kNextInoKey), value, wait));
    le64 stored;
    if (value.size() != sizeof stored) return fail(EUCLEAN, "files: bad number range");
    std::memcpy(&stored, value.data(), sizeof stored);
    next_ino_ = ino_limit_ = stored;
  }
  if (next_ino_ == ino_limit_) {
    Transaction transaction;
    const le64 limit = ino_limit_ + kInoRange;
    transaction.put(Tree::meta, as_bytes(kNextInoKey), bytes_of(limit));
    VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.wait = wait}));
    ino_limit_ = limit;
  }
  return static_cast<Ino>(next_ino_++);
}

Entry FilesState::entry_of(Node& node) {
  nodes.count_lookup(node);
  return {.node = id_of(node.ino), .generation = node.inode.generation, .attr = stat_of(node)};
}

struct stat FilesState::stat_of(const Node& node) const {
  return to_stat(node.ino, node.inode, node.pages.count() - node.pages.unreserved_count());
}

void FilesState::mark_stale(const NodeRef& node) {
  node->stale_record = true;
  write_back.add(node.again());
}

void FilesState::touch_content(Node& node) {
  node.inode.content = clock.next();
  node.inode.mtime_ns = node.inode.ctime_ns = now_ns();
  node.changed.store(true, std::memory_order_relaxed);
}

bool FilesState::wants_atime(const Inode& inode) const {
  if (options.nodiratime && inode.is_directory()) return false;
  if (options.atime != Atime::relatime) return options.atime == Atime::strict;
  return inode.atime_ns <= inode.mtime_ns || inode.atime_ns <= inode.ctime_ns ||
         now_ns() - inode.atime_ns > kDayNs;
}

void FilesState::note_access(const NodeRef& node) {
  if (read_only) return;
  const auto hold = WriteHold::take(volume, *node, Wait::never);
  if (!hold || node->removed || !wants_atime(node->inode)) return;
  node->inode.atime_ns = now_ns();
  mark_stale(node);
}

void FilesState::tell_closed(Node& node) {
  if (node.changed.exchange(false)) index.closed(node.ino);
}

void FilesState::drop_pages(Node& node, std::uint64_t from, std::uint64_t to) {
  write_back.let_go(node.pages.drop(from, to));
}

void FilesState::erase_riders(Transaction& transaction, const Node& node, std::uint64_t from,
                              std::uint64_t to) {
  for (const std::uint64_t block : node.pages.riders(from, to))
    transaction.erase(Tree::rider, rider_key(node.ino, block));
}

void drop_set_id(const Caller& caller, Inode& inode) {
  if (!caller.kills_set_id) return;
  inode.mode &= ~static_cast<mode_t>(S_ISUID);
  if (inode.mode & S_IXGRP) inode.mode &= ~static_cast<mode_t>(S_ISGID);
}

Result<> check_new_name(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return fail(EINVAL, "files: no name");
  if (name.size() > kNameBytesMax) return fail(ENAMETOOLONG, "files: name over 255 bytes");
  if (name == kHiddenDirectory) return fail(EPERM, "files: .vexfs is the daemon's");
  return {};
}

}  // namespace vexfs
