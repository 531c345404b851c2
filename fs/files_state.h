// SPDX-License-Identifier: Apache-2.0
// FilesState: what all methods of Files share. Included by fs/files*.cc only.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "fs/change.h"
#include "fs/content_clock.h"
#include "fs/directory.h"
#include "fs/files.h"
#include "fs/node_hold.h"
#include "fs/node_table.h"
#include "fs/read_ahead.h"
#include "fs/write_back.h"

namespace vexfs {

inline constexpr std::uint32_t kFileLinksMax = 65'000;  // as ext4
inline constexpr std::uint64_t kFileBytesMax = std::uint64_t{16} << 40;
inline constexpr std::string_view kHiddenDirectory = ".vexfs";
inline constexpr std::uint64_t kBytesPerEntry = 32;  // st_size of a directory: so many per entry

inline Ino ino_of(NodeId node) {
  return static_cast<Ino>(node);
}
inline NodeId id_of(Ino ino) {
  return static_cast<NodeId>(ino);
}

struct FilesState {
  FilesState(Volume& on, ContentIndex& to, const FilesOptions& with);

  Volume& volume;
  ContentIndex& index;
  const FilesOptions options;
  const bool read_only;
  const std::uint64_t name_seed;

  ContentClock clock;
  LiveNodes nodes;
  // Held from the check that a move of a directory makes no loop until it is committed.
  Mutex directory_moves{Rank::directory};
  WriteBack write_back;  // after `nodes`: its jobs end first
  ReadAhead read_ahead;  // the same

  Directory directory(Ino ino) { return Directory(volume, name_seed, ino); }
  NodeRef pin(NodeId node) { return nodes.pin(ino_of(node)); }
  Result<> writable() const;

  // A number that no inode ever had. EAGAIN with Wait::never when the next range must be logged.
  Result<Ino> new_ino(Wait wait);

  // With the node's lock held. The entry counts a lookup, which its caller owes a forget.
  Entry entry_of(Node& node);
  struct stat stat_of(const Node& node) const;
  // The node's attributes have changed in memory only.
  void mark_stale(const NodeRef& node);
  // Content has changed in memory: new generation, times, and the index hears of it later.
  void touch_content(Node& node);
  // Moves in memory where the mount's policy says so. Never waits for it.
  void note_access(const NodeRef& node);
  bool wants_atime(const Inode& inode) const;
  // Where the file has one, `change` removes security.capability: whoever changes content or
  // owner takes it away. EAGAIN with Wait::never.
  Result<> drop_capability(Change& change, Node& node, Wait wait);
  // The same in a transaction of its own.
  Result<> drop_capability(Node& node, Wait wait);
  void tell_closed(Node& node);

  // --- attributes (fs/files_xattrs.cc), with the node's lock held
  // Puts a value, or takes one away, and counts its name.
  Result<> put_attribute(Change& change, Node& node, std::string_view name, Bytes value, int flags,
                         Wait wait);
  Result<> erase_attribute(Change& change, Node& node, std::string_view name, Wait wait);

  // --- access control lists (fs/files_acl.cc), with the node's lock held
  // The mode of a new node below `parent`, and the lists it takes from there.
  Result<> inherit_acl(Change& change, const Node& parent, Node& node, const Caller& caller,
                       Wait wait);
  // Puts a list; the mode follows it.
  Result<> set_acl(Change& change, Node& node, std::string_view name, Bytes value,
                   const Caller& caller, Wait wait);
  // The list follows the mode that `change` sets.
  Result<> chmod_acl(Change& change, Node& node, Wait wait);
  // Whether the caller has all of `bits`: 4 read, 2 write, 1 execute or enter.
  bool allows(const Caller& caller, const Node& node, unsigned bits);

  void drop_pages(Node& node, std::uint64_t from, std::uint64_t to);
  // Of blocks whose pages are dropped after the commit.
  static void erase_riders(Transaction& transaction, const Node& node, std::uint64_t from,
                           std::uint64_t to);
  // A program reads these bytes. With the node's lock held, shared is enough.
  void note_read(const NodeRef& node, std::uint64_t offset, std::size_t bytes) {
    const std::uint64_t first = offset / kBlockBytes;
    const std::uint64_t end = (offset + bytes + kBlockBytes - 1) / kBlockBytes;
    read_ahead.note_read(node, first, static_cast<std::uint32_t>(end - first));
  }

  // --- removal (fs/files_removal.cc)
  // What became of a node without names: it waits for its last close, or is gone from the trees,
  // or is gone for programs and the rest of it follows.
  enum class Loss { waits, gone, gone_partly };
  // Adds it to `change`. With the node's lock held.
  Result<Loss> lose_last_name(Change& change, Node& node, Wait wait);
  // After the commit: first with the lock still held, then without any.
  void mark_lost(Node& node, Loss loss);
  void tell_lost(NodeRef node, Loss loss);
  // Frees what an orphan still holds, in bounded transactions.
  Result<> reap(Ino ino);
  // After the last close of an unlinked file.
  Result<> remove_closed(NodeRef node);
  // One of these two on a worker, and again at each round of the timer until it has succeeded.
  using Removal = std::move_only_function<Result<>()>;
  void remove_soon(Ino ino, Removal removal);
  void try_removal(Ino ino, Removal removal, bool again);
  // Frees blocks at and after `from` in bounded transactions; ends the intent. With the locks.
  Result<> finish_truncation(Node& node, std::uint64_t from);
  // Orphans and intents that a crash has left.
  Result<> recover();

 private:
  Mutex ino_mutex_{Rank::node_table};
  std::uint64_t next_ino_ GUARDED_BY(ino_mutex_) = 0;  // 0: not read yet
  std::uint64_t ino_limit_ GUARDED_BY(ino_mutex_) = 0;
};

// The set-id bits go where the caller may not keep them.
void drop_set_id(const Caller& caller, Inode& inode);
// EPERM for the name of a hidden directory, EINVAL for no name, ENAMETOOLONG.
Result<> check_new_name(std::string_view name);

}  // namespace vexfs
