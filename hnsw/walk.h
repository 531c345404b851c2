// SPDX-License-Identifier: Apache-2.0
// Walk: finds the nodes near a query by going from node to nearer node.
// Source: algorithm 2 of the paper; two-hop expansion under a filter after ACORN
// (Patel et al. 2024, arXiv:2403.04871).
// Threads: one a walk; takes no lock, inserts and erases may run beside it.
#pragma once
#include <span>

#include "hnsw/graph.h"
#include "hnsw/node_table.h"
#include "hnsw/scratch.h"

namespace vexfs {

class Walk {
 public:
  Walk(const NodeTable& nodes, const Rows& rows, Metric metric, std::span<const float> query,
       Scratch& scratch)
      : nodes_(nodes), rows_(rows), metric_(metric), query_(query), scratch_(scratch) {}

  // The nearest node that greedy steps reach from `from` on levels `top` down to `bottom`.
  Neighbour descend(Slot from, unsigned top, unsigned bottom);

  // Up to `ef` nodes that `accept` takes, in scratch.found, nearest first. Nodes that it refuses
  // are walked through; where it refuses most, their neighbours are looked at, too.
  void beam(Slot from, unsigned level, std::uint32_t ef, Graph::Accept accept);

  float distance_to(Slot slot);

 private:
  void gather(Slot node, unsigned level, Graph::Accept accept);
  void gather_second_hop(Slot node, unsigned level, Graph::Accept accept);
  void measure();  // distances of the batch
  void offer(Neighbour seen, bool wanted, std::uint32_t ef);

  const NodeTable& nodes_;
  const Rows& rows_;
  const Metric metric_;
  const std::span<const float> query_;
  Scratch& scratch_;
  std::uint64_t asked_ = 0, accepted_ = 0;  // how much the filter passes
};

}  // namespace vexfs
