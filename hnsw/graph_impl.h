// SPDX-License-Identifier: Apache-2.0
// Graph::Impl: the state behind a Graph. One file a verb: insert.cc, erase.cc, search.cc,
// recall.cc, train.cc, save.cc, load.cc.
#pragma once
#include <atomic>
#include <vector>

#include "base/mutex.h"
#include "hnsw/code_set.h"
#include "hnsw/graph.h"
#include "hnsw/linker.h"
#include "hnsw/node_table.h"
#include "hnsw/scratch.h"

namespace vexfs {

class Graph::Impl {
 public:
  Impl(const Rows& rows, GraphOptions options);

  Result<> insert(Slot slot) EXCLUDES(gate_);
  void erase(Slot slot) EXCLUDES(gate_);
  bool contains(Slot slot) const { return nodes_.is_live(slot); }
  std::uint32_t live() const { return live_.load(std::memory_order_relaxed); }
  std::size_t memory_bytes() const;
  std::vector<Neighbour> search(std::span<const float> query, std::uint32_t k, std::uint32_t ef,
                                Accept accept, SearchStats* stats) const;
  double sample_recall(std::uint32_t questions, std::uint32_t k, std::uint32_t ef,
                       std::uint64_t seed) const;
  Width width_for(double target, std::uint32_t questions, std::uint32_t k,
                  std::uint64_t seed) const;
  Result<> save(WritePiece write) const EXCLUDES(gate_);
  Result<> load(ReadPiece read) EXCLUDES(gate_);

 private:
  // Where walks begin: a node of the highest level. kNoSlot: there is none.
  struct Entry {
    Slot slot = kNoSlot;
    std::uint32_t level = 0;
  };

  // insert.cc
  using Chosen = std::vector<std::vector<CodeNeighbour>>;  // by level
  Result<> link(Slot slot) EXCLUDES(gate_);
  bool insert_first(Slot slot, unsigned level);
  Chosen choose_neighbours(Slot slot, const CodedGraph& graph, unsigned level, Entry entry,
                           Scratch& scratch) const;
  void join_tree(const Linker& linker, Slot slot, std::span<const CodeNeighbour> chosen,
                 std::span<const CodeNeighbour> near);
  void join_tree_anywhere(const Linker& linker, Slot slot);
  void raise_entry(Slot slot, unsigned level);

  // recall.cc
  struct Sample {  // a row that is asked for its neighbours, itself left out
    Slot self = kNoSlot;
    std::uint32_t wanted = 0;  // k, but for a graph of few rows
    float farthest = 0;        // of them
  };
  std::vector<Sample> samples(std::uint32_t questions, std::uint32_t k, std::uint64_t seed) const;
  double recall_of(std::span<const Sample> samples, std::uint32_t k, std::uint32_t ef) const;

  // train.cc
  // `next` is about to be inserted.
  bool is_training_due(Slot next) const EXCLUDES(codes_mutex_);
  bool has_drifted(const CodeSet& codes) const;
  float norm_of(Slot slot) const;
  Result<> train(Slot next) EXCLUDES(gate_);
  Result<> encode_all(CodeSet& codes) const;
  CodedGraph coded(const CodeSet& codes) const;
  std::shared_ptr<CodeSet> codes() const EXCLUDES(codes_mutex_);
  void set_codes(std::shared_ptr<CodeSet> codes) EXCLUDES(codes_mutex_) REQUIRES(gate_);

  // search.cc
  struct Looked {
    std::uint32_t at = 0, refused = 0;  // because they are dead or by the filter
  };
  Looked make_shortlist(const CodedGraph& graph, const std::uint8_t* code,
                        const Quantiser& quantiser, std::uint32_t k, Accept accept,
                        Scratch& scratch) const;
  std::vector<Neighbour> refine(std::span<const float> query, const Quantiser::Question& question,
                                const Quantiser& quantiser, std::uint32_t k, Scratch& scratch,
                                Accept accept) const;
  double passing_anywhere(Accept accept) const;
  bool is_scan_cheaper(Accept accept, std::uint32_t width) const;
  std::vector<Neighbour> search_codes(const CodeSet& codes, Entry entry,
                                      std::span<const float> query, std::uint32_t k,
                                      std::uint32_t ef, Accept accept, Scratch& scratch) const;
  std::vector<Neighbour> search_rows(Entry entry, std::span<const float> query, std::uint32_t k,
                                     std::uint32_t ef, Accept accept, Scratch& scratch) const;

  // erase.cc
  void leave_tree(const Linker& linker, Slot slot) REQUIRES(edit_);
  void mend_level(const Linker& linker, Slot slot, unsigned level);
  void replace_entry(Slot slot) REQUIRES(edit_);

  // load.cc
  Result<> load_pieces(ReadPiece read) REQUIRES(gate_, edit_);

  std::vector<Slot> neighbours(Slot slot, unsigned level) const;
  std::uint32_t children_max() const { return options_.m; }

  const Rows& rows_;
  const GraphOptions options_;
  NodeTable nodes_;
  mutable Mutex codes_mutex_;
  // The codes in force; null until the first insert. Replaced with gate_ held exclusively.
  std::shared_ptr<CodeSet> codes_ GUARDED_BY(codes_mutex_);
  // Those before. Searches that began with them may meet nodes that join now, so while they live
  // new nodes are encoded there, too. Written with gate_ held exclusively, read with it.
  std::vector<std::weak_ptr<CodeSet>> codes_before_;
  std::atomic<std::uint32_t> trained_at_{0};  // live nodes when the codes were trained
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
