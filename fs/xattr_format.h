// SPDX-License-Identifier: Apache-2.0
// Extended attributes as they lie in Tree::xattr. Twin of doc/FORMAT.md, section "Inodes, names,
// attributes".
//
//   ino (u64), part (u8), hash (u64), collision (u8)
//
// `hash` is the upper 63 bits of the XXH3-64 of the name. Part 0 is an XattrRecord, the name, and
// the begin of the value; parts 1 and on are kValueBytesMax bytes of it each, the last one shorter.
// All parts 0 of an inode are neighbours, so listing names reads no values.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "base/key.h"
#include "storage/types.h"

namespace vexfs {

struct XattrRecord {                     //  offset
  le32 bytes;                            //   0  of the whole value
  std::uint8_t name_bytes;               //   4  1 ..= 255
  std::array<std::uint8_t, 3> reserved;  //   5  zero; checked on read
};
static_assert(sizeof(XattrRecord) == 8 && alignof(XattrRecord) == 1);
static_assert(offsetof(XattrRecord, reserved) == 5);
static_assert(std::is_trivially_copyable_v<XattrRecord>);

inline Key xattr_key(Ino ino, std::uint8_t part, std::uint64_t hash, std::uint8_t collision) {
  return Key().u64(static_cast<std::uint64_t>(ino)).u8(part).u64(hash).u8(collision);
}

}  // namespace vexfs
