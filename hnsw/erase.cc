// SPDX-License-Identifier: Apache-2.0
// Erase: the node becomes a tombstone, its neighbours are joined with each other.
//
// Order, so that a walk at any moment finds its way: the node stops to take links; its children
// in the tree move below others, new link before old; its neighbours' lists are chosen anew from
// what they and the node had (in-place repair, after MN-RU: Xiao et al. 2024, arXiv:2407.07871).
// Its own lists stay: a walk that stands on it, or reaches it by a link not yet dropped, goes on
// to nodes that were live when it died. Where a step of the tree finds no room the node just
// stays in the tree, dead; that costs a hop and breaks nothing.
#include "base/metrics.h"
#include "hnsw/graph_impl.h"
#include "vector/float_mode.h"

namespace vexfs {

void Graph::Impl::erase(Slot slot) {
  static Histogram& took =
      metrics::histogram("vexfs_graph_erase_seconds", "Rows taken out of a graph");
  ReadLock gate(gate_);
  if (!nodes_.is_live(slot)) return;
  Timed timed(took);
  FlushDenormals flush;
  Lock lock(edit_);
  {
    NodeLock node(nodes_, slot);
    if (!nodes_.is_live(slot)) return;
    nodes_.set_state(slot, NodeState::dead);
  }
  edits_.fetch_add(1, std::memory_order_relaxed);
  live_.fetch_sub(1, std::memory_order_relaxed);
  const ScratchPool::Lease scratch = scratch_.take();
  const Linker linker(nodes_, coded(*codes()), scratch->beam);
  leave_tree(linker, slot);
  for (unsigned level = 0; level <= nodes_.level(slot); ++level) mend_level(linker, slot, level);
  replace_entry(slot);
}

std::vector<Slot> Graph::Impl::neighbours(Slot slot, unsigned level) const {
  std::vector<Slot> slots;
  for_each_link(nodes_.links(slot, level), [&](Link link) { slots.push_back(slot_of(link)); });
  return slots;
}

// Its children become a chain below its parent: each takes one child more, no node takes many.
void Graph::Impl::leave_tree(const Linker& linker, Slot slot) {
  std::vector<Slot> children;
  Slot parent = kNoSlot;
  for_each_link(nodes_.links(slot, 0), [&](Link link) {
    if ((link & kChildBit) != 0) children.push_back(slot_of(link));
    if ((link & kParentBit) != 0) parent = slot_of(link);
  });
  Slot above = parent;
  for (Slot child : children) {
    if (above == kNoSlot) {
      root_ = child;
      linker.clear_parent(child);
    } else {
      const Linker::AdoptOptions any_room{.children_max = nodes_.links_max(0), .also_dead = true};
      if (!linker.adopt(above, child, any_room)) return;
      linker.set_parent(child, above);
    }
    linker.clear_child(slot, child);
    above = child;
  }
  if (above == kNoSlot) return;  // the root of a tree of one: the next node joins below it
  if (parent != kNoSlot) linker.remove(parent, slot);
  linker.clear_parent(slot);
}

void Graph::Impl::mend_level(const Linker& linker, Slot slot, unsigned level) {
  const std::vector<Slot> around = neighbours(slot, level);
  for (Slot neighbour : around) linker.replace(neighbour, level, slot, around);
}

void Graph::Impl::replace_entry(Slot slot) {
  if (entry_.load(std::memory_order_relaxed).slot != slot) return;
  for (unsigned level = nodes_.level(slot) + 1; level-- > 0;)
    for (Slot other : neighbours(slot, level))
      if (nodes_.is_live(other)) {
        entry_.store({.slot = other, .level = nodes_.level(other)}, std::memory_order_release);
        return;
      }
}

}  // namespace vexfs
