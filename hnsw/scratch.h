// SPDX-License-Identifier: Apache-2.0
// Scratch: what one walk over the graph needs, kept from walk to walk; and the pool of them.
//
// A visited set is one byte a slot that holds the number of the walk that saw it, so a new walk
// clears nothing; every 255 walks the bytes are cleared once.
// Threads: a Scratch belongs to one walk; the pool any.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "base/buffer_pool.h"
#include "base/mutex.h"
#include "hnsw/graph.h"
#include "vector/beam_search.h"

namespace vexfs {

class VisitedSet {
 public:
  // Empty, for slots below `slots_end`.
  void reset(std::uint32_t slots_end);
  // True the first time. A slot past the end joined after this walk began: as if visited.
  bool insert(Slot slot) {
    if (slot >= tags_.size() || tags_[slot] == walk_) return false;
    tags_[slot] = walk_;
    return true;
  }
  bool contains(Slot slot) const { return slot >= tags_.size() || tags_[slot] == walk_; }

 private:
  std::vector<std::uint8_t> tags_;
  std::uint8_t walk_ = 0;
};

struct Scratch {
  // Of a walk over codes.
  BeamScratch beam;
  std::vector<CodeNeighbour> near;
  Buffer code;  // of the query
  std::vector<CodeNeighbour> shortlist;
  std::vector<std::uint32_t> best;  // distances
  // Room for one cell in `code`.
  std::span<std::uint8_t> cell_of(std::size_t bytes) {
    if (code.size() < bytes) code = Buffer::take(bytes);
    return {reinterpret_cast<std::uint8_t*>(code.data()), bytes};
  }
  // Of a walk over float rows.
  VisitedSet visited;
  std::vector<Neighbour> frontier;  // a heap, nearest on top
  std::vector<Neighbour> found;     // sorted, nearest first
  // The batch whose distances are asked next.
  std::vector<Slot> slots;
  std::vector<bool> wanted;
  std::vector<const float*> rows;
  std::vector<float> distances;
  SearchStats stats;
};

class ScratchPool {
 public:
  // A lease; it goes back to the pool when it ends.
  struct GiveBack {
    ScratchPool* pool;
    void operator()(Scratch* scratch) const { pool->give_back(scratch); }
  };
  using Lease = std::unique_ptr<Scratch, GiveBack>;
  Lease take();

 private:
  void give_back(Scratch* scratch);
  Mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> free_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
