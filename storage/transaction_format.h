// SPDX-License-Identifier: Apache-2.0
// The records of a transaction as bytes. Twin of doc/FORMAT.md, section "Transaction records".
// The log frame around them carries the checksum.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include "base/endian.h"

namespace vexfs {

struct PairRecord {   //  offset
  std::uint8_t kind;  //   0  1 put, 2 erase
  std::uint8_t tree;  //   1  Tree
  le16 key_bytes;     //   2  1 ..= kKeyBytesMax; the key follows this header
  le16 value_bytes;   //   4  <= kValueBytesMax, 0 for erase; the value follows the key
};
static_assert(sizeof(PairRecord) == 6 && alignof(PairRecord) == 1);
static_assert(offsetof(PairRecord, value_bytes) == 4);
static_assert(std::is_trivially_copyable_v<PairRecord>);

struct ExtentRecord {                    //  offset
  std::uint8_t kind;                     //   0  3 adopt, 4 free
  std::array<std::uint8_t, 3> reserved;  //   1  zero; checked on read
  le32 blocks;                           //   4  at least 1
  le64 first;                            //   8  BlockNo
  le64 birth;                            //  16  generation that allocated it; 0: unknown
};
static_assert(sizeof(ExtentRecord) == 24 && alignof(ExtentRecord) == 1);
static_assert(offsetof(ExtentRecord, first) == 8 && offsetof(ExtentRecord, birth) == 16);
static_assert(std::is_trivially_copyable_v<ExtentRecord>);

}  // namespace vexfs
