// SPDX-License-Identifier: Apache-2.0
// Riders: blocks of files that an fsync put into the log and that have no place on the disk yet:
// Tree::rider. Twin of doc/FORMAT.md, section "File data". The tree page carries the checksum.
//
// Key: ino (u64), file block (u64); value: the content of the block without the zeros at its end.
// A rider is newer than what Tree::extent says of its block. Bytes past the file's size may be
// anything. Write-back erases it in the transaction that places the block.
#pragma once
#include "base/key.h"
#include "storage/types.h"

namespace vexfs {

inline Key rider_key(Ino ino, std::uint64_t block) {
  return Key().u64(static_cast<std::uint64_t>(ino)).u64(block);
}

// What a block's rider holds of it.
inline Bytes rider_value(Bytes block) {
  const std::string_view text = as_text(block);
  return block.first(text.find_last_not_of('\0') + 1);  // npos + 1 is 0
}

}  // namespace vexfs
