// SPDX-License-Identifier: Apache-2.0
// Insert (algorithm 1 of the paper). A node's own lists are complete on all levels before the
// first link leads to it, so a walk that finds it can go on.
#include <algorithm>

#include "base/assert.h"
#include "base/metrics.h"
#include "hnsw/graph_impl.h"
#include "hnsw/level.h"
#include "vector/float_mode.h"

namespace vexfs {

Result<> Graph::Impl::insert(Slot slot) {
  static Histogram& took =
      metrics::histogram("vexfs_graph_insert_seconds", "Rows linked into a graph");
  Timed timed(took);
  FlushDenormals flush;
  ReadLock gate(gate_);
  VEXFS_ASSERT(slot < rows_.size());
  const unsigned level = level_of(slot, options_.seed, options_.m);
  VEXFS_CHECK(nodes_.add(slot, level));
  edits_.fetch_add(1, std::memory_order_relaxed);
  live_.fetch_add(1, std::memory_order_relaxed);
  if (insert_first(slot, level)) return {};

  const Entry entry = entry_.load(std::memory_order_acquire);
  std::vector<Neighbour> near;
  const Chosen chosen = choose_links(slot, level, entry, near);
  for (unsigned l = 0; l < chosen.size(); ++l) linker_.write(slot, l, chosen[l]);
  join_tree(slot, chosen[0], near);
  nodes_.set_state(slot, NodeState::live);
  for (unsigned l = 0; l < chosen.size(); ++l)
    for (const Neighbour& other : chosen[l])
      linker_.add(other.slot, l, {.distance = other.distance, .slot = slot});
  if (level > entry.level) raise_entry(slot, level);
  return {};
}

bool Graph::Impl::insert_first(Slot slot, unsigned level) {
  if (entry_.load(std::memory_order_acquire).slot != kNoSlot) return false;
  Lock lock(edit_);
  if (entry_.load(std::memory_order_relaxed).slot != kNoSlot) return false;
  root_ = slot;
  nodes_.set_state(slot, NodeState::live);
  entry_.store({.slot = slot, .level = level}, std::memory_order_release);
  return true;
}

// For each level that the node shares with the graph; `near` gets all that was seen near it on
// level 0, chosen or not.
Graph::Impl::Chosen Graph::Impl::choose_links(Slot slot, unsigned level, Entry entry,
                                              std::vector<Neighbour>& near) const {
  const ScratchPool::Lease scratch = scratch_.take();
  Walk walk(nodes_, rows_, options_.metric, {rows_.row(slot), rows_.dimension()}, *scratch);
  const unsigned top = std::min(level, entry.level);
  Chosen chosen(top + 1);
  Slot from = entry.slot;
  if (entry.level > top) from = walk.descend(from, entry.level, top + 1).slot;
  for (unsigned l = top + 1; l-- > 0;) {
    walk.beam(from, l, options_.ef_construction, [&](Slot s) { return nodes_.is_live(s); });
    chosen[l] = linker_.choose(scratch->found, options_.m);
    if (!scratch->found.empty()) from = scratch->found[0].slot;
  }
  near = scratch->found;
  return chosen;
}

// Below the nearest node that has room; the parent's bit is set first, so an erase of the
// parent that runs in between finds both ends.
void Graph::Impl::join_tree(Slot slot, std::span<const Neighbour> chosen,
                            std::span<const Neighbour> near) {
  for (std::span<const Neighbour> candidates : {chosen, near})
    for (const Neighbour& candidate : candidates) {
      if (!nodes_.is_live(candidate.slot)) continue;
      linker_.set_parent(slot, candidate.slot);
      if (linker_.adopt(candidate.slot, slot, {.children_max = children_max()})) return;
    }
  join_tree_anywhere(slot);
}

// Nothing live was near, or all of it was full: goes down from the root. With edit_ held no
// erase runs, so a dead node that is still in the tree may be a parent.
void Graph::Impl::join_tree_anywhere(Slot slot) {
  Lock lock(edit_);
  std::vector<Slot> queue = {root_};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    linker_.set_parent(slot, queue[i]);
    if (linker_.adopt(queue[i], slot, {.children_max = children_max(), .also_dead = true})) return;
    for_each_link(nodes_.links(queue[i], 0), [&](Link link) {
      if ((link & kChildBit) != 0) queue.push_back(slot_of(link));
    });
  }
  VEXFS_ASSERT(false && "a finite tree has a leaf, and a leaf has room");
}

void Graph::Impl::raise_entry(Slot slot, unsigned level) {
  Lock lock(edit_);
  if (level > entry_.load(std::memory_order_relaxed).level && nodes_.is_live(slot))
    entry_.store({.slot = slot, .level = level}, std::memory_order_release);
}

}  // namespace vexfs
