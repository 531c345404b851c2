// SPDX-License-Identifier: Apache-2.0
// Linker: changes neighbour lists, each under its node's lock, and chooses which links stay.
//
// The choice is the paper's heuristic (algorithm 4): a candidate stays when it is nearer to the
// node than to every candidate that stays already; so links point in different directions.
// Tree links (vector/link.h) always stay. Threads: one a linker; no call holds two node locks.
#pragma once
#include <span>
#include <vector>

#include "hnsw/node_table.h"
#include "vector/beam_search.h"

namespace vexfs {

class Linker {
 public:
  // `graph` is a view of `nodes` and of the codes in force; `scratch` outlives the linker.
  Linker(NodeTable& nodes, const CodedGraph& graph, BeamScratch& scratch)
      : nodes_(nodes), graph_(graph), scratch_(scratch) {}

  // The list of a node that nobody links to yet.
  void write(Slot node, unsigned level, std::span<const CodeNeighbour> neighbours) const;
  // node -> to. Nothing happens when `node` does not take links or chooses to keep others.
  void add(Slot node, unsigned level, CodeNeighbour to) const;
  // Rewrites the list of a live node without `gone`, choosing among what is left and `others`.
  void replace(Slot node, unsigned level, Slot gone, std::span<const Slot> others) const;

  // Tree links. adopt(): `child` below `parent`; false when the parent has no room or, unless
  // `also_dead`, is not live.
  struct AdoptOptions {
    std::uint32_t children_max;
    bool also_dead = false;
  };
  bool adopt(Slot parent, Slot child, AdoptOptions options) const;
  // Makes `parent` the parent of `child` in place of any other; always finds room.
  void set_parent(Slot child, Slot parent) const;
  void clear_parent(Slot child) const;
  void clear_child(Slot parent, Slot child) const;
  // Removes the link on level 0, whatever it is.
  void remove(Slot node, Slot to) const;

 private:
  // Links with the distances from `node`, nearest first.
  std::vector<CodeNeighbour> measured(Slot node, std::span<const Link> links) const;
  std::vector<Link> chosen(std::vector<CodeNeighbour> candidates, std::uint32_t count) const;
  void clear_bits(Slot node, Slot to, Link clear) const;
  static std::vector<Link> copy(LinkList list);
  static void store(LinkList list, std::span<const Link> links);

  NodeTable& nodes_;
  const CodedGraph graph_;
  BeamScratch& scratch_;
};

}  // namespace vexfs
