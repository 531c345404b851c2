// SPDX-License-Identifier: Apache-2.0
// Names as they lie in Tree::dentry and Tree::backref. Twin of doc/FORMAT.md, section "Inodes,
// names, attributes".
//
//   dentry   parent (u64), cookie (u64)        -> DentryRecord, name
//   backref  ino (u64), parent (u64), cookie   -> name
//
// The cookie is the entry's place in its directory and what readdir continues from: 47 bits of
// the name's hash (XXH3-64 seeded with the volume's id, never 0), then a 16-bit collision number.
// It stays as long as the name does, and entries that come and go do not move others.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "base/key.h"
#include "storage/types.h"

namespace vexfs {

inline constexpr unsigned kCollisionBits = 16;
inline constexpr std::uint64_t kDotCookie = 1, kDotDotCookie = 2;
inline constexpr std::uint64_t kFirstCookie = std::uint64_t{1} << kCollisionBits;

struct DentryRecord {                    //  offset
  le64 ino;                              //   0
  std::uint8_t type;                     //   8  type bits of the mode, >> 12
  std::array<std::uint8_t, 7> reserved;  //   9  zero; checked on read
};
static_assert(sizeof(DentryRecord) == 16 && alignof(DentryRecord) == 1);
static_assert(offsetof(DentryRecord, reserved) == 9);
static_assert(std::is_trivially_copyable_v<DentryRecord>);

inline Key dentry_key(Ino parent, std::uint64_t cookie) {
  return Key().u64(static_cast<std::uint64_t>(parent)).u64(cookie);
}
inline Key backref_key(Ino ino, Ino parent, std::uint64_t cookie) {
  return Key()
      .u64(static_cast<std::uint64_t>(ino))
      .u64(static_cast<std::uint64_t>(parent))
      .u64(cookie);
}

}  // namespace vexfs
