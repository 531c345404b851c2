// SPDX-License-Identifier: Apache-2.0
#include "hnsw/walk.h"

#include <algorithm>
#include <functional>

#include "vector/distance.h"

namespace vexfs {

namespace {

// Two-hop expansion starts when the filter has passed fewer than one node in four of this many.
constexpr std::uint64_t kAskedBeforeTwoHops = 32;
constexpr std::uint64_t kPassingPerHopMin = 4;

}  // namespace

float Walk::distance_to(Slot slot) {
  scratch_.slots.assign(1, slot);
  measure();
  return scratch_.distances[0];
}

void Walk::measure() {
  Scratch& s = scratch_;
  s.rows.clear();
  for (Slot slot : s.slots) s.rows.push_back(rows_.row(slot));
  s.distances.resize(s.slots.size());
  distances(metric_, query_, s.rows, s.distances);
  s.stats.distances += s.slots.size();
}

Neighbour Walk::descend(Slot from, unsigned top, unsigned bottom) {
  Neighbour nearest{.distance = distance_to(from), .slot = from};
  for (unsigned level = top + 1; level-- > bottom;) {
    for (bool moved = true; moved;) {
      moved = false;
      scratch_.slots.clear();
      for_each_link(nodes_.links(nearest.slot, level),
                    [&](Link link) { scratch_.slots.push_back(slot_of(link)); });
      measure();
      ++scratch_.stats.hops;
      for (std::size_t i = 0; i < scratch_.slots.size(); ++i)
        if (scratch_.distances[i] < nearest.distance) {
          nearest = {.distance = scratch_.distances[i], .slot = scratch_.slots[i]};
          moved = true;
        }
    }
  }
  return nearest;
}

void Walk::gather(Slot node, unsigned level, Graph::Accept accept) {
  scratch_.slots.clear();
  scratch_.wanted.clear();
  for_each_link(nodes_.links(node, level), [&](Link link) {
    const Slot slot = slot_of(link);
    if (!scratch_.visited.insert(slot)) return;
    const bool wanted = accept(slot);
    ++asked_;
    accepted_ += wanted;
    scratch_.slots.push_back(slot);
    scratch_.wanted.push_back(wanted);
  });
  if (asked_ < kAskedBeforeTwoHops || accepted_ * kPassingPerHopMin >= asked_) return;
  const std::size_t first_hop = scratch_.slots.size();
  for (std::size_t i = 0; i < first_hop; ++i)
    if (!scratch_.wanted[i]) gather_second_hop(scratch_.slots[i], level, accept);
}

// Only nodes that pass: the others stay unvisited and may be walked through on their own.
void Walk::gather_second_hop(Slot node, unsigned level, Graph::Accept accept) {
  for_each_link(nodes_.links(node, level), [&](Link link) {
    const Slot slot = slot_of(link);
    if (scratch_.visited.contains(slot) || !accept(slot)) return;
    scratch_.visited.insert(slot);
    scratch_.slots.push_back(slot);
    scratch_.wanted.push_back(true);
  });
}

void Walk::offer(Neighbour seen, bool wanted, std::uint32_t ef) {
  Scratch& s = scratch_;
  if (s.found.size() == ef && seen >= s.found.back()) return;
  s.frontier.push_back(seen);
  std::ranges::push_heap(s.frontier, std::greater());
  if (!wanted) return;
  if (s.found.size() == ef) s.found.pop_back();
  s.found.insert(std::ranges::upper_bound(s.found, seen), seen);
}

void Walk::beam(Slot from, unsigned level, std::uint32_t ef, Graph::Accept accept) {
  Scratch& s = scratch_;
  s.visited.reset(nodes_.slots_end());
  s.frontier.clear();
  s.found.clear();
  s.visited.insert(from);
  const float distance = distance_to(from);
  offer({.distance = distance, .slot = from}, accept(from), ef);
  while (!s.frontier.empty()) {
    const Neighbour nearest = s.frontier.front();
    if (s.found.size() == ef && nearest > s.found.back()) return;
    std::ranges::pop_heap(s.frontier, std::greater());
    s.frontier.pop_back();
    gather(nearest.slot, level, accept);
    measure();
    ++s.stats.hops;
    for (std::size_t i = 0; i < s.slots.size(); ++i)
      offer({.distance = s.distances[i], .slot = s.slots[i]}, s.wanted[i], ef);
  }
}

}  // namespace vexfs
