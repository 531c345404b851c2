// SPDX-License-Identifier: Apache-2.0
#include "fs/xattrs.h"

#include <sys/xattr.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/hash.h"
#include "fs/inode_format.h"
#include "fs/xattr_format.h"

namespace vexfs {

namespace {

constexpr std::uint8_t kCollisionsMax = 255;

struct Place {
  std::uint64_t hash = 0;
  std::uint8_t collision = 0;
  bool found = false;
  std::uint32_t bytes = 0;  // of the value, when found
  std::string head;         // its first bytes
};

Ino next(Ino ino) {
  return static_cast<Ino>(static_cast<std::uint64_t>(ino) + 1);
}

// A part 0: the name and the first bytes of the value.
Result<XattrRecord> decode(Bytes value, std::string_view& name, Bytes& head) {
  XattrRecord record;
  if (value.size() < sizeof record) return fail(EUCLEAN, "xattr: record cut off");
  std::memcpy(&record, value.data(), sizeof record);
  value = value.subspan(sizeof record);
  if (record.reserved != XattrRecord{}.reserved || record.name_bytes == 0 ||
      value.size() < record.name_bytes)
    return fail(EUCLEAN, "xattr: record with bad fields");
  name = as_text(value.first(record.name_bytes));
  head = value.subspan(record.name_bytes);
  if (head.size() > record.bytes) return fail(EUCLEAN, "xattr: record too long");
  return record;
}

// Where a name is, or where it would go.
Result<Place> find(Volume& volume, Ino ino, std::string_view wanted, Wait wait) {
  Place place{.hash = hash64(as_bytes(wanted)) >> 1, .head = {}};
  std::optional<Error> bad;
  VEXFS_CHECK(volume.scan(
      Tree::xattr, xattr_key(ino, 0, place.hash, 0), xattr_key(ino, 0, place.hash + 1, 0),
      [&](Bytes key, Bytes value) {
        std::string_view name;
        Bytes head;
        const auto record = decode(value, name, head);
        if (!record) {
          bad = record.error();
          return false;
        }
        const auto collision = std::to_integer<std::uint8_t>(key.back());
        if (name == wanted) {
          place.found = true;
          place.collision = collision;
          place.bytes = record->bytes;
          place.head = as_text(head);
          return false;
        }
        if (collision == place.collision) ++place.collision;
        return true;
      },
      wait));
  if (bad) return std::unexpected(*bad);
  return place;
}

// Parts after the first that a value of `bytes` has, of which `head` are in the first.
std::uint8_t more_parts(std::size_t bytes, std::size_t head) {
  return static_cast<std::uint8_t>((bytes - head + kValueBytesMax - 1) / kValueBytesMax);
}

void erase_parts(Transaction& transaction, Ino ino, const Place& place, std::uint8_t from) {
  const std::uint8_t last = more_parts(place.bytes, place.head.size());
  for (std::uint8_t part = from; part <= last; ++part)
    transaction.erase(Tree::xattr, xattr_key(ino, part, place.hash, place.collision));
}

}  // namespace

Result<std::string> get_xattr(Volume& volume, Ino ino, std::string_view name, Wait wait) {
  VEXFS_TRY(Place place, find(volume, ino, name, wait));
  if (!place.found) return fail(ENODATA, "xattr: no such name");
  const std::uint8_t parts = more_parts(place.bytes, place.head.size());
  std::string value = std::move(place.head), more;
  for (std::uint8_t part = 1; part <= parts; ++part) {
    const auto got =
        volume.get(Tree::xattr, xattr_key(ino, part, place.hash, place.collision), more, wait);
    if (!got)
      return got.error().code == ENOENT ? fail(EUCLEAN, "xattr: a part is missing")
                                        : std::unexpected(got.error());
    value += more;
  }
  if (value.size() != place.bytes) return fail(EUCLEAN, "xattr: value of a bad size");
  return value;
}

Result<bool> put_xattr(Volume& volume, Transaction& transaction, Ino ino, std::string_view name,
                       Bytes value, int flags, Wait wait) {
  VEXFS_TRY(const Place place, find(volume, ino, name, wait));
  if (place.found && (flags & XATTR_CREATE)) return fail(EEXIST, "xattr: the name is there");
  if (!place.found && (flags & XATTR_REPLACE)) return fail(ENODATA, "xattr: no such name");
  if (place.collision == kCollisionsMax) return fail(ENOSPC, "xattr: too many names of one hash");
  const XattrRecord record{.bytes = static_cast<std::uint32_t>(value.size()),
                           .name_bytes = static_cast<std::uint8_t>(name.size()),
                           .reserved = {}};
  std::string first(as_text(bytes_of(record)));
  first += name;
  const std::size_t head = std::min<std::size_t>(value.size(), kValueBytesMax - first.size());
  first += as_text(value.first(head));
  transaction.put(Tree::xattr, xattr_key(ino, 0, place.hash, place.collision), as_bytes(first));
  Bytes rest = value.subspan(head);
  std::uint8_t part = 1;
  for (; !rest.empty(); ++part) {
    const Bytes piece = rest.first(std::min<std::size_t>(rest.size(), kValueBytesMax));
    transaction.put(Tree::xattr, xattr_key(ino, part, place.hash, place.collision), piece);
    rest = rest.subspan(piece.size());
  }
  if (place.found) erase_parts(transaction, ino, place, part);
  return !place.found;
}

Result<> erase_xattr(Volume& volume, Transaction& transaction, Ino ino, std::string_view name,
                     Wait wait) {
  VEXFS_TRY(const Place place, find(volume, ino, name, wait));
  if (!place.found) return fail(ENODATA, "xattr: no such name");
  erase_parts(transaction, ino, place, 0);
  return {};
}

Result<std::string> list_xattrs(Volume& volume, Ino ino, Wait wait) {
  std::string names;
  std::optional<Error> bad;
  VEXFS_CHECK(volume.scan(
      Tree::xattr, xattr_key(ino, 0, 0, 0), xattr_key(ino, 1, 0, 0),
      [&](Bytes, Bytes value) {
        std::string_view name;
        Bytes head;
        const auto record = decode(value, name, head);
        if (!record) {
          bad = record.error();
          return false;
        }
        names.append(name).push_back('\0');
        return true;
      },
      wait));
  if (bad) return std::unexpected(*bad);
  return names;
}

Result<bool> erase_xattrs(Volume& volume, Transaction& transaction, Ino ino, std::size_t parts_max,
                          Wait wait) {
  bool all = true;
  std::size_t parts = 0;
  VEXFS_CHECK(volume.scan(
      Tree::xattr, xattr_key(ino, 0, 0, 0), xattr_key(next(ino), 0, 0, 0),
      [&](Bytes key, Bytes) {
        if (parts++ == parts_max) return all = false;
        transaction.erase(Tree::xattr, key);
        return true;
      },
      wait));
  return all;
}

}  // namespace vexfs
