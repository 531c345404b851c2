// SPDX-License-Identifier: Apache-2.0
#include "fs/check_repair.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/text.h"
#include "fs/directory.h"
#include "fs/inode.h"
#include "fs/xattrs.h"
#include "search/check.h"
#include "search/space_format.h"
#include "storage/volume.h"

namespace vexfs {

namespace {

constexpr std::string_view kLostAndFound = "lost+found";
constexpr std::string_view kVectorName = "user.vexfs.vector";

Result<> commit_if_large(Volume& volume, Transaction& transaction) {
  constexpr std::size_t kLarge = kTransactionBytesMax / 4;
  if (transaction.bytes() < kLarge) return {};
  VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.freeing = true}));
  return {};
}

Result<> write_pairs(Volume& volume, const std::vector<CheckFix>& fixes) {
  Transaction transaction;
  for (const CheckFix& fix : fixes) {
    if (fix.value)
      transaction.put(fix.tree, as_bytes(fix.key), as_bytes(*fix.value));
    else
      transaction.erase(fix.tree, as_bytes(fix.key));
    VEXFS_CHECK(commit_if_large(volume, transaction));
  }
  VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.freeing = true}));
  return {};
}

Result<Inode> inode_of(Volume& volume, Ino ino) {
  std::string record;
  VEXFS_CHECK(volume.get(Tree::inode, ino_key(ino), record));
  return Inode::decode(as_bytes(record));
}

// /lost+found, made where it is missing.
Result<Ino> lost_and_found(Volume& volume) {
  const Directory root(volume, volume.info().id_low, kRootIno);
  if (const auto there = root.find(kLostAndFound, Wait::allowed)) return there->ino;
  std::string value;
  VEXFS_CHECK(volume.get(Tree::meta, as_bytes(kNextInoKey), value));
  le64 next;
  if (value.size() != sizeof next) return fail(EUCLEAN, "repair: no inode number");
  std::memcpy(&next, value.data(), sizeof next);
  const Ino ino{std::uint64_t{next}};
  next = next + 1;
  Inode made;
  made.mode = S_IFDIR | 0700;
  made.links = 2;
  made.parent = kRootIno;
  made.birth_ns = made.ctime_ns = made.mtime_ns = made.atime_ns = now_ns();
  VEXFS_TRY(Inode above, inode_of(volume, kRootIno));
  above.links += 1;
  above.size += 32;
  VEXFS_TRY(const std::uint64_t cookie, root.free_cookie(kLostAndFound, Wait::allowed));
  Transaction transaction;
  transaction.put(Tree::meta, as_bytes(kNextInoKey), bytes_of(next));
  transaction.put(Tree::inode, ino_key(ino), bytes_of(made.encode()));
  transaction.put(Tree::inode, ino_key(kRootIno), bytes_of(above.encode()));
  root.put(transaction, kLostAndFound, {.cookie = cookie, .ino = ino, .type = S_IFDIR});
  VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction));
  return ino;
}

// A name "#INO" each. The counts that follow from it are the next round's.
Result<> find_again(Volume& volume, const std::vector<std::uint64_t>& inodes) {
  if (inodes.empty()) return {};
  VEXFS_TRY(const Ino directory, lost_and_found(volume));
  const Directory entries(volume, volume.info().id_low, directory);
  for (const std::uint64_t number : inodes) {
    const Ino ino{number};
    VEXFS_TRY(const Inode inode, inode_of(volume, ino));
    const std::string name = format("#{}", number);
    VEXFS_TRY(const std::uint64_t cookie, entries.free_cookie(name, Wait::allowed));
    Transaction transaction;
    entries.put(transaction, name, {.cookie = cookie, .ino = ino, .type = inode.mode & S_IFMT});
    VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction));
  }
  return {};
}

// Everything that search has made, it makes again.
Result<> index_again(Volume& volume) {
  VEXFS_CHECK(drop_search(volume));
  std::vector<std::pair<Ino, Inode>> files;
  VEXFS_CHECK(volume.scan(Tree::inode, {}, {}, [&](Bytes key, Bytes value) {
    const auto inode = Inode::decode(value);
    if (inode && (inode->is_regular() || inode->xattr_bytes > 0))
      files.emplace_back(Ino{KeyReader(key).u64()}, *inode);
    return true;
  }));
  Transaction transaction;
  for (const auto& [ino, inode] : files) {
    if (inode.is_regular())
      transaction.put(Tree::queue, search_key::owed(ino, Owed::content, inode.content), {});
    if (inode.xattr_bytes > 0 && get_xattr(volume, ino, kVectorName, Wait::allowed))
      transaction.put(Tree::queue, search_key::owed(ino, Owed::vector, 1), {});
    VEXFS_CHECK(commit_if_large(volume, transaction));
  }
  VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.freeing = true}));
  return {};
}

}  // namespace

Result<> repair_round(std::unique_ptr<BlockDevice> device, const CheckOutcome& found,
                      const CheckFixes& fixes) {
  // A tree that is made anew begins empty; its pages become free in the next round.
  const bool anew = found.map_wrong || !found.damaged.empty();
  // What is let go of stays readable, should somebody have to look for it.
  const VolumeOptions options{.discard = false};
  VEXFS_TRY(auto volume, anew ? open_repairing(std::move(device), options, found, found.damaged)
                              : Volume::open(std::move(device), options));
  if (volume->read_only()) return fail(EROFS, "repair: the volume can only be read");
  const bool search = std::ranges::any_of(
      found.damaged, [](Tree t) { return t != Tree::backref && t != Tree::refcount; });
  if (fixes.search_again || search) VEXFS_CHECK(index_again(*volume));
  VEXFS_CHECK(write_pairs(*volume, fixes.all()));
  VEXFS_CHECK(find_again(*volume, fixes.find_again));
  return volume->close();
}

}  // namespace vexfs
