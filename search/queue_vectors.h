// SPDX-License-Identifier: Apache-2.0
// VectorQueue: files whose user.vexfs.vector has changed and is not in its space yet. fs may hold
// the inode's lock when it says so, and placing a vector asks for names and values; so the change
// is noted here, and whoever asks next places it first: a vector is visible to the next query.
//
// Threads: any. Sequences are for Tree::queue: each is larger than all before, mounts included.
#pragma once
#include <cstdint>
#include <map>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "storage/types.h"

namespace vexfs {

class VectorQueue {
 public:
  // `first_sequence`: over all that stand in the tree.
  explicit VectorQueue(std::uint64_t first_sequence) : next_(first_sequence) {}

  std::uint64_t next_sequence();
  void owe(Ino ino);
  bool empty() const;

  // Places all that is owed now, and returns when others have placed what they had begun.
  // `place(ino, sequence)` runs without the lock, for one file by one thread at a time.
  void drain(FunctionRef<void(Ino, std::uint64_t)> place);

 private:
  struct Entry {
    std::uint64_t sequence = 0;  // of the last change
    bool running = false;
  };
  mutable Mutex mutex_{Rank::engine};
  CondVar finished_;
  std::uint64_t next_ GUARDED_BY(mutex_);
  std::map<Ino, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
