// SPDX-License-Identifier: Apache-2.0
// BlockClaims: which blocks of the data area something has claimed, each at most once.
//
// Pages of Tree::free_space are claimed as `unrecorded`: its map does not know them.
// Threads: any.
#pragma once
#include "base/mutex.h"
#include "storage/block_groups.h"

namespace vexfs {

class BlockClaims {
 public:
  BlockClaims(std::uint64_t first, std::uint64_t end) : groups_(first, end) {}

  enum class Claimed : std::uint8_t { yes, outside, twice };
  enum class Kind : std::uint8_t { recorded, unrecorded };
  // Blocks that were claimed before stay with the first; they are added to `before`.
  Claimed claim(Extent extent, Kind kind, std::vector<std::uint64_t>* before = nullptr);
  // Compared after the last claim.
  const BlockGroups& groups() const UNCHECKED { return groups_; }

 private:
  Mutex mutex_{Rank::space_map};
  BlockGroups groups_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
