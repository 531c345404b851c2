// SPDX-License-Identifier: Apache-2.0
#include "hnsw/scratch.h"

#include <algorithm>

namespace vexfs {

void VisitedSet::reset(std::uint32_t slots_end) {
  if (tags_.size() < slots_end) tags_.resize(slots_end, 0);
  if (++walk_ != 0) return;
  std::ranges::fill(tags_, 0);
  walk_ = 1;
}

ScratchPool::Lease ScratchPool::take() {
  {
    Lock lock(mutex_);
    if (!free_.empty()) {
      Scratch* const scratch = free_.back().release();
      free_.pop_back();
      scratch->stats = {};
      scratch->beam.distances = scratch->beam.hops = 0;
      return Lease(scratch, {this});
    }
  }
  return Lease(new Scratch, {this});
}

void ScratchPool::give_back(Scratch* scratch) {
  std::unique_ptr<Scratch> owned(scratch);
  Lock lock(mutex_);
  free_.push_back(std::move(owned));
}

}  // namespace vexfs
