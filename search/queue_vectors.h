// SPDX-License-Identifier: Apache-2.0
// VectorQueue: files whose user.vexfs.vector has changed and is not in its space yet. fs may hold
// the inode's lock when it says so, and placing a vector asks for names and values; so the change
// is noted here, and whoever asks next places it first: a vector is visible to the next query.
//
// Threads: any. Sequences are for Tree::queue: each is larger than all before, mounts included.
#pragma once
#include <cstdint>
#include <map>
#include <unordered_map>

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

  // Places all that is owed now, in the order it came (the first vector decides for its
  // collection), and returns when that is done, by whatever thread. `place(ino, sequence)` runs
  // without the lock, one at a time.
  void drain(FunctionRef<void(Ino, std::uint64_t)> place);

 private:
  mutable Mutex mutex_{Rank::engine};
  CondVar finished_;
  std::uint64_t next_ GUARDED_BY(mutex_);
  bool placing_ GUARDED_BY(mutex_) = false;
  std::unordered_map<Ino, std::uint64_t> last_ GUARDED_BY(mutex_);  // sequence of the last change
  std::map<std::uint64_t, Ino> owed_ GUARDED_BY(mutex_);            // by sequence
};

}  // namespace vexfs
