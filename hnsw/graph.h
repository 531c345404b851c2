// SPDX-License-Identifier: Apache-2.0
// Graph: a hierarchical navigable small world over the rows of one space.
//
// It knows slots and distances, no files. Deleted slots stay as tombstones that a search walks
// through and never answers; their neighbours are joined so that no live slot is cut off.
// Source: Malkov and Yashunin 2018 (arXiv:1603.09320), algorithms 1, 2, 4, 5.
// Threads: any for search; insert and erase concurrently with each other and with search.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "vector/metric.h"
#include "vector/rows.h"

namespace vexfs {

struct GraphOptions {
  Metric metric = Metric::cosine;
  std::uint32_t m = 16;                 // links a node on upper levels; twice that on level 0
  std::uint32_t ef_construction = 200;  // width of the search that finds a new node's links
  std::uint64_t seed = 1;               // of the level generator
};

struct Neighbour {
  float distance = 0;
  Slot slot = kNoSlot;
  friend auto operator<=>(const Neighbour&, const Neighbour&) = default;
};

struct SearchStats {
  std::uint64_t distances = 0, hops = 0;
};

class Graph {
 public:
  // `rows` outlives the graph. For Metric::cosine its rows are normalised.
  Graph(const Rows& rows, GraphOptions options);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // The slot is in rows() and not yet in the graph. Once each. ENOMEM.
  Result<> insert(Slot slot);
  // Marks it deleted and joins its neighbours. Unknown or deleted slots are fine.
  void erase(Slot slot);
  bool contains(Slot slot) const;  // inserted and not erased
  std::uint32_t live() const;
  std::size_t memory_bytes() const;  // links and codes

  // The `k` nearest live slots that `accept` takes, nearest first; fewer only when fewer were
  // found by a beam of `ef` (>= k). `query` has rows.dimension() floats, normalised for cosine.
  using Accept = FunctionRef<bool(Slot)>;
  std::vector<Neighbour> search(std::span<const float> query, std::uint32_t k, std::uint32_t ef,
                                Accept accept, SearchStats* stats = nullptr) const;

  // Recall by its own rows: the part of the true `k` nearest that search() finds, over
  // `questions` live rows that `seed` picks, each asked for its neighbours. Costs `questions`
  // exact scans; for the background. 1 while fewer than two rows are live.
  double sample_recall(std::uint32_t questions, std::uint32_t k, std::uint32_t ef,
                       std::uint64_t seed) const;

  // The narrowest beam (of a fixed row of widths) whose recall, sampled like that, is at least
  // `target`; the widest where none is. `questions` exact scans and some searches of each.
  struct Width {
    std::uint32_t ef = 0;
    double recall = 1;  // sampled with it
  };
  Width width_for(double target, std::uint32_t questions, std::uint32_t k,
                  std::uint64_t seed) const;

  // The whole graph as checksummed pieces of at most 256 K slots, each passed to `write` in
  // order; inserts and erases wait meanwhile, searches do not. Piece 0 holds the parameters.
  using WritePiece = FunctionRef<Result<>(std::uint32_t piece, Bytes bytes)>;
  Result<> save(WritePiece write) const;
  // Into an empty graph with equal options; rows hold at least the slots that were saved.
  // EUCLEAN: a piece does not check; the graph is then empty and can be rebuilt by insert().
  using ReadPiece = FunctionRef<Result<std::string>(std::uint32_t piece)>;
  Result<> load(ReadPiece read);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The answer by definition: every slot in [0, rows.size()) that `accept` takes, by distance.
std::vector<Neighbour> exact_search(const Rows& rows, Metric metric, std::span<const float> query,
                                    std::uint32_t k, Graph::Accept accept);

}  // namespace vexfs
