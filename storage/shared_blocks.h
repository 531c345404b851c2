// SPDX-License-Identifier: Apache-2.0
// SharedBlocks: how often blocks are referenced, as one transaction sees and changes it.
//
// Files that share blocks have no lock in common, so whoever changes a count holds
// Volume::sharing() from the first look until the object ends, which is after the commit. Blocks
// without a record belong to one file and need no lock: only who holds that file's lock could
// begin to share them.
// Threads: one, which holds the lock of the file whose references it changes.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "storage/refcount_format.h"
#include "storage/transaction.h"
#include "storage/volume.h"

namespace vexfs {

// Whether somebody else references one of these blocks. While the only file that does is locked,
// false stays false.
Result<bool> is_shared(Volume& volume, Extent extent, Wait wait);

class SharedBlocks {
 public:
  SharedBlocks(Volume& volume, Wait wait) : volume_(volume), wait_(wait) {}
  ~SharedBlocks();
  SharedBlocks(const SharedBlocks&) = delete;
  SharedBlocks& operator=(const SharedBlocks&) = delete;

  // One reference more to each block.
  Result<> add(Extent extent);
  // One less; what nobody references any more is appended to `freed`.
  Result<> drop(Extent extent, std::vector<Extent>& freed);
  // Whether somebody else references one of the blocks.
  Result<bool> any_shared(Extent extent);

  std::size_t log_bytes() const;  // upper bound of what log() adds
  void log(Transaction& transaction) const;

 private:
  Result<bool> load(Extent extent);
  Result<> lock();
  void split(std::uint64_t at);
  void put(RefcountRun run);

  Volume& volume_;
  const Wait wait_;
  bool locked_ = false;
  std::map<std::uint64_t, RefcountRun> now_;  // by first block, as it shall be
  std::set<std::uint64_t> in_tree_, changed_;
};

}  // namespace vexfs
