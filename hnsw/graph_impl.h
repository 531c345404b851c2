// SPDX-License-Identifier: Apache-2.0
// Graph::Impl: the state behind a Graph. One file a verb: insert.cc, erase.cc, graph.cc (search),
// save.cc, load.cc.
#pragma once
#include <atomic>
#include <vector>

#include "base/mutex.h"
#include "hnsw/graph.h"
#include "hnsw/linker.h"
#include "hnsw/node_table.h"
#include "hnsw/scratch.h"
#include "hnsw/walk.h"

namespace vexfs {

class Graph::Impl {
 public:
  Impl(const Rows& rows, GraphOptions options);

  Result<> insert(Slot slot) EXCLUDES(gate_);
  void erase(Slot slot) EXCLUDES(gate_);
  bool contains(Slot slot) const { return nodes_.is_live(slot); }
  std::uint32_t live() const { return live_.load(std::memory_order_relaxed); }
  std::vector<Neighbour> search(std::span<const float> query, std::uint32_t k, std::uint32_t ef,
                                Accept accept, SearchStats* stats) const;
  Result<> save(WritePiece write) const EXCLUDES(gate_);
  Result<> load(ReadPiece read) EXCLUDES(gate_);

 private:
  // Where walks begin: a node of the highest level. kNoSlot: there is none.
  struct Entry {
    Slot slot = kNoSlot;
    std::uint32_t level = 0;
  };

  // insert.cc
  using Chosen = std::vector<std::vector<Neighbour>>;  // by level
  bool insert_first(Slot slot, unsigned level);
  Chosen choose_links(Slot slot, unsigned level, Entry entry, std::vector<Neighbour>& near) const;
  void join_tree(Slot slot, std::span<const Neighbour> chosen, std::span<const Neighbour> near);
  void join_tree_anywhere(Slot slot);
  void raise_entry(Slot slot, unsigned level);

  // erase.cc
  void leave_tree(Slot slot) REQUIRES(edit_);
  void mend_level(Slot slot, unsigned level);
  void replace_entry(Slot slot) REQUIRES(edit_);

  // load.cc
  Result<> load_pieces(ReadPiece read) REQUIRES(gate_, edit_);

  std::vector<Slot> neighbours(Slot slot, unsigned level) const;
  std::uint32_t children_max() const { return options_.m; }

  const Rows& rows_;
  const GraphOptions options_;
  NodeTable nodes_;
  const Linker linker_;
  mutable ScratchPool scratch_;
  std::atomic<Entry> entry_{Entry{}};  // release when it changes, so its lists are seen
  std::atomic<std::uint32_t> live_{0};

  // Shared: an insert or an erase. Exclusive: save and load. Searches take neither lock.
  mutable SharedMutex gate_{Rank::graph};
  // Erases, and the few inserts that move the root or the entry. After gate_, before node locks.
  mutable Mutex edit_ ACQUIRED_AFTER(gate_){Rank::graph_edit};
  Slot root_ GUARDED_BY(edit_) = kNoSlot;  // of the tree
  // Inserts and erases so far: tells the pieces of one save from those of another.
  std::atomic<std::uint64_t> edits_{0};
};

}  // namespace vexfs
