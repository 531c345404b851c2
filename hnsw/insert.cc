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

namespace {

constexpr std::uint32_t kWider = 4;

}  // namespace

Result<> Graph::Impl::insert(Slot slot) {
  static Histogram& took =
      metrics::histogram("vexfs_graph_insert_seconds", "Rows linked into a graph");
  Timed timed(took);
  FlushDenormals flush;
  VEXFS_ASSERT(slot < rows_.size());
  if (is_training_due(slot)) VEXFS_CHECK(train(slot));
  return link(slot);
}

Result<> Graph::Impl::link(Slot slot) {
  ReadLock gate(gate_);
  const std::shared_ptr<CodeSet> codes = this->codes();
  const unsigned level = level_of(slot, options_.seed, options_.m);
  VEXFS_CHECK(codes->reserve(slot));
  for (const std::weak_ptr<CodeSet>& weak : codes_before_)
    if (const std::shared_ptr<CodeSet> before = weak.lock()) {
      VEXFS_CHECK(before->reserve(slot));
      before->encode(slot, {rows_.row(slot), rows_.dimension()});
    }
  codes->encode(slot, {rows_.row(slot), rows_.dimension()});
  VEXFS_CHECK(nodes_.add(slot, level));
  edits_.fetch_add(1, std::memory_order_relaxed);
  live_.fetch_add(1, std::memory_order_relaxed);
  if (insert_first(slot, level)) return {};

  const Entry entry = entry_.load(std::memory_order_acquire);
  const CodedGraph graph = coded(*codes);
  const ScratchPool::Lease scratch = scratch_.take();
  const Linker linker(nodes_, graph, scratch->beam);
  const Chosen chosen = choose_neighbours(slot, graph, level, entry, *scratch);
  for (unsigned l = 0; l < chosen.size(); ++l) linker.write(slot, l, chosen[l]);
  join_tree(linker, slot, chosen[0], scratch->near);
  nodes_.set_state(slot, NodeState::live);
  for (unsigned l = 0; l < chosen.size(); ++l)
    for (const CodeNeighbour& other : chosen[l])
      linker.add(other.slot(), l, {.distance = other.distance, .link = link_to(slot)});
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

// For each level that the node shares with the graph; scratch.near gets all live nodes that
// were seen near it on level 0, chosen or not.
Graph::Impl::Chosen Graph::Impl::choose_neighbours(Slot slot, const CodedGraph& graph,
                                                   unsigned level, Entry entry,
                                                   Scratch& scratch) const {
  const std::span cell = scratch.cell_of(graph.cell_bytes());
  join_row(graph, slot, cell);
  const std::uint8_t* const code = cell.data();
  const unsigned top = std::min(level, entry.level);
  Chosen chosen(top + 1);
  Slot from = entry.slot;
  if (entry.level > top) from = descend(graph, code, from, entry.level, top + 1, scratch.beam);
  for (unsigned l = top + 1; l-- > 0;) {
    const auto find_live = [&](std::uint32_t ef) {
      beam(graph, code, from, l, ef, scratch.beam, scratch.near);
      from = scratch.near[0].slot();
      std::erase_if(scratch.near, [&](CodeNeighbour n) { return !nodes_.is_live(n.slot()); });
      if (graph.walks_fine) return;
      // The walk went by the coarse plane; the choice does not.
      measure(graph, code, scratch.near, scratch.beam);
      std::ranges::sort(scratch.near, {}, &CodeNeighbour::distance);
    };
    const std::uint32_t ef = options_.ef_construction;
    find_live(ef);
    // Many dead ones were in the way: once more, wider.
    if (scratch.near.size() < ef / 2) find_live(kWider * ef);
    chosen[l].resize(options_.m);
    chosen[l].resize(choose_links(graph, scratch.near, chosen[l], scratch.beam));
  }
  return chosen;
}

// Below the nearest node that has room; the parent's bit is set first, so an erase of the
// parent that runs in between finds both ends.
void Graph::Impl::join_tree(const Linker& linker, Slot slot, std::span<const CodeNeighbour> chosen,
                            std::span<const CodeNeighbour> near) {
  for (std::span<const CodeNeighbour> candidates : {chosen, near})
    for (const CodeNeighbour& candidate : candidates) {
      if (!nodes_.is_live(candidate.slot())) continue;
      linker.set_parent(slot, candidate.slot());
      if (linker.adopt(candidate.slot(), slot, {.children_max = children_max()})) return;
    }
  join_tree_anywhere(linker, slot);
}

// Nothing live was near, or all of it was full: goes down from the root. With edit_ held no
// erase runs, so a dead node that is still in the tree may be a parent.
void Graph::Impl::join_tree_anywhere(const Linker& linker, Slot slot) {
  Lock lock(edit_);
  std::vector<Slot> queue = {root_};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    linker.set_parent(slot, queue[i]);
    if (linker.adopt(queue[i], slot, {.children_max = children_max(), .also_dead = true})) return;
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
