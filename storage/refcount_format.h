// SPDX-License-Identifier: Apache-2.0
// How often blocks of file data are referenced: Tree::refcount. Twin of doc/FORMAT.md, section
// "File data". The tree page carries the checksum.
//
// Key: first block (u64). Records never overlap. A block in use that no record covers has one
// reference. Each record of Tree::extent is one reference to each block of the volume that it
// names; a piece of a compressed extent references all of it.
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "base/key.h"
#include "base/result.h"
#include "storage/types.h"

namespace vexfs {

struct RefcountRecord {  //  offset
  le32 blocks;           //   0  1 ..= kExtentBlocksMax
  le32 count;            //   4  references to each of them, at least 2
};
static_assert(sizeof(RefcountRecord) == 8 && alignof(RefcountRecord) == 1);
static_assert(offsetof(RefcountRecord, count) == 4);
static_assert(std::is_trivially_copyable_v<RefcountRecord>);

inline Key refcount_key(BlockNo first) {
  return Key().u64(static_cast<std::uint64_t>(first));
}

struct RefcountRun {
  std::uint64_t first = 0;  // block of the volume
  std::uint32_t blocks = 0;
  std::uint32_t count = 0;
  std::uint64_t end() const { return first + blocks; }
};
// EUCLEAN for what nothing writes.
inline Result<RefcountRun> decode_refcount(Bytes key, Bytes value) {
  KeyReader reader(key);
  RefcountRecord record;
  RefcountRun run{.first = reader.u64()};
  if (reader.failed() || value.size() != sizeof record)
    return fail(EUCLEAN, "refcount: record of a bad size");
  std::memcpy(&record, value.data(), sizeof record);
  run.blocks = record.blocks;
  run.count = record.count;
  if (run.blocks == 0 || run.blocks > kExtentBlocksMax || run.count < 2)
    return fail(EUCLEAN, "refcount: record with bad fields");
  return run;
}

}  // namespace vexfs
