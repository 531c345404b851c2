// SPDX-License-Identifier: Apache-2.0
// Node: a live inode. Everything in memory that one file, directory, … has.
//
// Lock order: Rank::directory (moves of directories) < write_back < lock, several `lock`s in
// rising inode number < node table. `lock` is held while a page miss or a block is read with
// Wait::allowed, therefore Wait::never only tries it.
#pragma once
#include <atomic>
#include <cstdint>

#include "base/mutex.h"
#include "fs/file_pages.h"
#include "fs/inode.h"

namespace vexfs {

struct Node {
  explicit Node(Ino number) : ino(number) {}
  const Ino ino;

  // Held through a write-back, and by what must not meet one: truncation, punching holes. Also
  // orders the vectors of a file. Taken before `lock`.
  Mutex write_back{Rank::write_back};

  SharedMutex lock{Rank::inode};
  // Set once, with `lock` held for writing; read before taking it.
  std::atomic<bool> loaded{false};

  // --- guarded by `lock`
  Inode inode;                    // as a program sees it
  std::uint64_t logged_size = 0;  // what the record in the tree says
  std::uint64_t logged_content = 0;
  FilePages pages;
  bool stale_record = false;  // times or size of `inode` are not in the tree
  bool removed = false;       // gone from the trees; only open references are left
  // --- end of guarded

  std::atomic<bool> changed{false};         // new content since the index was told `closed`
  std::atomic<bool> flush_on_close{false};  // was truncated: close() writes it back
  std::atomic<int> write_error{0};          // errno of a failed write-back, for the next fsync
  std::atomic<bool> write_back_queued{false};
  std::atomic<std::uint32_t> opens{0};  // counted up with `lock` held, shared or not
  std::atomic<std::uint64_t> lsn{0};    // of the last transaction that concerns it
};

}  // namespace vexfs
