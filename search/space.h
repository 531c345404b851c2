// SPDX-License-Identifier: Apache-2.0
// Space: vectors that may be compared with each other, and whose they are.
//
// Slots [0, graphed()) are in the graph, where there is one; those behind it (the tail) are
// compared one by one until grow_graph() has taken them in. So a new row is found by the next
// query, and a space under kGraphRowsMin rows never pays for a graph.
//
//   row appended ── mapped by its owner's record ──> alive ── content changes, replaced ──> dead
//
// Threads: any. Neither lock is held while `accept` runs.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "hnsw/graph.h"
#include "search/space_columns.h"
#include "search/space_format.h"
#include "search/space_gate.h"
#include "vector/metric.h"
#include "vector/rows.h"

namespace vexfs {

inline constexpr std::uint32_t kGraphRowsMin = 5000;  // below it an exact scan is as fast
inline constexpr std::uint32_t kEfUnsampled = 128;

struct SpaceIdentity {
  std::uint32_t id = 0;
  Ino collection{};
  SpaceKind kind{};
  std::uint32_t dimension = 0;  // 0: chunks without vectors, for text search alone
  Metric metric = Metric::cosine;
  std::string embedder = {};  // identity; empty for a user space
};

struct NewRow {
  Ino ino{};
  std::uint64_t check = 0;  // hash of the chunk, or the row's number
  std::uint32_t part = 0;
  std::uint64_t generation = kDead;
  std::span<const float> values = {};  // normalised under cosine; empty where the dimension is 0
};

// How to look for neighbours; see planner.h.
struct SpaceSearch {
  std::uint32_t k = 10;
  std::uint32_t ef = 100;
  bool exact = false;
};

class Space {
 public:
  explicit Space(SpaceIdentity identity);
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;

  const SpaceIdentity& identity() const { return identity_; }
  const SpaceColumns& columns() const { return columns_; }
  const Rows* rows() const { return rows_.get(); }
  const float* row(Slot slot) const { return rows_->row(slot); }
  std::uint32_t size() const { return columns_.size(); }
  std::uint32_t live() const { return live_.load(std::memory_order_relaxed); }
  std::size_t memory_bytes() const;  // rows, columns, graph and codes
  SpaceGate& gate() { return gate_; }
  std::uint32_t graphed() const { return graphed_.load(std::memory_order_acquire); }

  // Whether it holds rows, or is held by someone who is about to append.
  bool in_use() const { return live() != 0 || pins_.load() != 0; }
  // Holds it so; what in_use() says is decided under CollectionSet's lock.
  static std::shared_ptr<Space> pin(const std::shared_ptr<Space>& space);

  Result<Slot> append(const NewRow& row);
  // The slot's row holds for this part of its owner's content of `generation`.
  void revive(Slot slot, std::uint32_t part, std::uint64_t generation);
  void kill(Slot slot);

  // Nearest first. Dead slots are left out; `accept` decides about the others.
  std::vector<Neighbour> nearest(std::span<const float> query, const SpaceSearch& how,
                                 Graph::Accept accept) const;

  // Takes at most `rows_max` rows of the tail into the graph; false when there is nothing to do.
  Result<bool> grow_graph(std::uint32_t rows_max);
  // How wide a beam is for the collection's recall, by questions of its own rows against the exact
  // answer. sample_width(): takes it anew where the graph has changed by a quarter, or the target,
  // since; costs some exact scans; false when there was nothing to do. One at a time.
  struct Width {
    std::uint32_t ef = kEfUnsampled;
    float recall = 0;  // sampled with it; 0: not yet
  };
  Width width() const;
  bool sample_width(double target);

  // The graph as it was saved; it covers slots [0, graphed). After the rows were loaded.
  Result<> load_graph(std::uint32_t graphed, Graph::ReadPiece read);
  // Returns how many slots what was written covers.
  Result<std::uint32_t> save_graph(Graph::WritePiece write);

 private:
  std::vector<Neighbour> scan(std::span<const float> query, Slot from, Slot to, std::uint32_t k,
                              Graph::Accept accept) const;
  Graph* graph() const { return graph_ready_.load(std::memory_order_acquire); }
  void make_graph() REQUIRES(grow_mutex_);

  const SpaceIdentity identity_;
  std::unique_ptr<Rows> rows_;  // none where the dimension is 0
  SpaceColumns columns_;
  SpaceGate gate_;
  std::atomic<std::uint32_t> live_{0};
  std::atomic<std::uint32_t> pins_{0};
  Mutex append_mutex_{Rank::space};
  Mutex grow_mutex_{Rank::space};  // one grows or saves at a time; never held with append_mutex_
  std::unique_ptr<Graph> graph_ GUARDED_BY(grow_mutex_);
  std::atomic<Graph*> graph_ready_{nullptr};  // release when made pairs with acquire in graph()
  std::atomic<std::uint32_t> graphed_{0};     // release in grow_graph() pairs with graphed()
  std::atomic<Width> width_{Width{}};         // by sample_width(); nothing follows from it
  // Of sample_width() alone: for what it was sampled last.
  double sampled_target_ = 0;
  std::uint64_t sampled_edits_ = 0;
};

}  // namespace vexfs
