// SPDX-License-Identifier: Apache-2.0
#include "fs/directory.h"

#include <cstring>
#include <optional>

#include "base/hash.h"
#include "fs/dentry_format.h"
#include "fs/inode_format.h"

namespace vexfs {

namespace {

Result<Dentry> decode(Bytes key, Bytes value, std::string_view& name) {
  KeyReader reader(key);
  reader.u64();
  Dentry entry{.cookie = reader.u64()};
  DentryRecord record;
  if (reader.failed() || value.size() <= sizeof record)
    return fail(EUCLEAN, "dentry: record cut off");
  std::memcpy(&record, value.data(), sizeof record);
  if (record.reserved != DentryRecord{}.reserved)
    return fail(EUCLEAN, "dentry: reserved bytes are not zero");
  entry.ino = static_cast<Ino>(static_cast<std::uint64_t>(record.ino));
  entry.type = static_cast<mode_t>(record.type) << 12;
  name = as_text(value.subspan(sizeof record));
  return entry;
}

Result<> scan_entries(Volume& volume, Bytes from, Bytes to, Directory::Visit visit, Wait wait) {
  std::optional<Error> bad;
  VEXFS_CHECK(volume.scan(
      Tree::dentry, from, to,
      [&](Bytes key, Bytes value) {
        std::string_view name;
        const auto entry = decode(key, value, name);
        if (!entry) {
          bad = entry.error();
          return false;
        }
        return visit(*entry, name);
      },
      wait));
  if (bad) return std::unexpected(*bad);
  return {};
}

Ino next(Ino ino) {
  return static_cast<Ino>(static_cast<std::uint64_t>(ino) + 1);
}

}  // namespace

std::uint64_t Directory::first_cookie(std::string_view name) const {
  // The seed keeps who does not know the volume from making names that collide.
  const std::uint64_t hash = hash64(as_bytes(name), seed_) >> (64 - 47);
  return (hash == 0 ? 1 : hash) << kCollisionBits;
}

Result<> Directory::probe(std::string_view name, Visit visit, Wait wait) const {
  const std::uint64_t first = first_cookie(name);
  return scan_entries(volume_, dentry_key(ino_, first),
                      dentry_key(ino_, first + (std::uint64_t{1} << kCollisionBits)), visit, wait);
}

Result<Dentry> Directory::find(std::string_view name, Wait wait) const {
  std::optional<Dentry> found;
  VEXFS_CHECK(probe(
      name,
      [&](const Dentry& entry, std::string_view other) {
        if (other == name) found = entry;
        return !found;
      },
      wait));
  if (!found) return fail(ENOENT, "directory: no such name");
  return *found;
}

Result<std::uint64_t> Directory::free_cookie(std::string_view name, Wait wait) const {
  bool exists = false;
  const std::uint64_t first = first_cookie(name);
  std::uint64_t free = first;
  VEXFS_CHECK(probe(
      name,
      [&](const Dentry& entry, std::string_view other) {
        exists = other == name;
        if (entry.cookie == free) ++free;
        return !exists;
      },
      wait));
  if (exists) return fail(EEXIST, "directory: the name is taken");
  if ((free - first) >> kCollisionBits)
    return fail(ENOSPC, "directory: too many names of one hash");
  return free;
}

Result<bool> Directory::empty(Wait wait) const {
  bool none = true;
  VEXFS_CHECK(list(0, [&](const Dentry&, std::string_view) { return none = false; }, wait));
  return none;
}

Result<> Directory::list(std::uint64_t after, Visit visit, Wait wait) const {
  return scan_entries(volume_, dentry_key(ino_, after + 1), dentry_key(next(ino_), 0), visit, wait);
}

void Directory::put(Transaction& transaction, std::string_view name, const Dentry& entry) const {
  const DentryRecord record{.ino = static_cast<std::uint64_t>(entry.ino),
                            .type = static_cast<std::uint8_t>((entry.type & S_IFMT) >> 12),
                            .reserved = {}};
  std::string value(as_text(bytes_of(record)));
  value += name;
  transaction.put(Tree::dentry, dentry_key(ino_, entry.cookie), as_bytes(value));
  transaction.put(Tree::backref, backref_key(entry.ino, ino_, entry.cookie), as_bytes(name));
}

void Directory::erase(Transaction& transaction, const Dentry& entry) const {
  transaction.erase(Tree::dentry, dentry_key(ino_, entry.cookie));
  transaction.erase(Tree::backref, backref_key(entry.ino, ino_, entry.cookie));
}

Result<> names_of(Volume& volume, Ino ino, VisitBackref visit, Wait wait) {
  std::optional<Error> bad;
  VEXFS_CHECK(volume.scan(
      Tree::backref, ino_key(ino), ino_key(next(ino)),
      [&](Bytes key, Bytes value) {
        KeyReader reader(key);
        reader.u64();
        const auto parent = static_cast<Ino>(reader.u64());
        const std::uint64_t cookie = reader.u64();
        if (reader.failed()) {
          bad = Error{.code = EUCLEAN, .what = "backref: key cut off"};
          return false;
        }
        return visit(parent, cookie, as_text(value));
      },
      wait));
  if (bad) return std::unexpected(*bad);
  return {};
}

}  // namespace vexfs
