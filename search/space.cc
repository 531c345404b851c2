// SPDX-License-Identifier: Apache-2.0
#include "search/space.h"

#include <algorithm>
#include <array>
#include <new>

#include "base/buffer_pool.h"
#include "vector/distance.h"

namespace vexfs {

Space::Space(SpaceIdentity identity) : identity_(std::move(identity)) {
  if (identity_.dimension != 0) rows_ = std::make_unique<Rows>(identity_.dimension);
}

std::shared_ptr<Space> Space::pin(const std::shared_ptr<Space>& space) {
  space->pins_.fetch_add(1);
  return {space.get(), [space](Space* pinned) { pinned->pins_.fetch_sub(1); }};
}

std::size_t Space::memory_bytes() const {
  const Graph* const graph = this->graph();
  return (rows_ ? rows_->memory_bytes() : 0) + columns_.memory_bytes() +
         (graph != nullptr ? graph->memory_bytes() : 0);
}

Result<Slot> Space::append(const NewRow& row) {
  Lock lock(append_mutex_);
  // The row first: whoever sees the slot in the columns finds its values.
  if (rows_) {
    VEXFS_ASSERT(row.values.size() == identity_.dimension);
    if (rows_->size() == columns_.size()) VEXFS_CHECK(rows_->append(row.values));
  }
  VEXFS_TRY(const Slot slot, columns_.append(row.ino, row.check, row.part, row.generation));
  if (row.generation != kDead) live_.fetch_add(1, std::memory_order_relaxed);
  return slot;
}

void Space::revive(Slot slot, std::uint32_t part, std::uint64_t generation) {
  VEXFS_ASSERT(generation != kDead);
  if (columns_.set(slot, part, generation) == kDead) live_.fetch_add(1, std::memory_order_relaxed);
}

void Space::kill(Slot slot) {
  if (columns_.set(slot, columns_.part(slot), kDead) == kDead) return;
  live_.fetch_sub(1, std::memory_order_relaxed);
  if (Graph* graph = this->graph()) graph->erase(slot);
}

namespace {

// Keeps the k best of what it is shown; the worst stands on top of the heap.
class Nearest {
 public:
  explicit Nearest(std::uint32_t k) : k_(k) {}
  bool wants(const Neighbour& n) const { return best_.size() < k_ || n < best_.front(); }
  void take(const Neighbour& n) {
    if (best_.size() == k_) {
      std::pop_heap(best_.begin(), best_.end());
      best_.pop_back();
    }
    best_.push_back(n);
    std::push_heap(best_.begin(), best_.end());
  }
  std::vector<Neighbour> sorted() && {
    std::sort_heap(best_.begin(), best_.end());
    return std::move(best_);
  }

 private:
  const std::uint32_t k_;
  std::vector<Neighbour> best_;
};

}  // namespace

std::vector<Neighbour> Space::scan(std::span<const float> query, Slot from, Slot to,
                                   std::uint32_t k, Graph::Accept accept) const {
  constexpr std::uint32_t kBatch = 64;
  struct Batch {
    std::array<const float*, kBatch> rows;
    std::array<Slot, kBatch> slots;
    std::array<float, kBatch> found;
  };
  const Buffer memory = Buffer::take(sizeof(Batch));  // a kilobyte: not on the stack
  auto& [rows, slots, found] = *new (memory.data()) Batch;
  Nearest nearest(k);
  for (Slot next = from; next < to;) {
    std::uint32_t count = 0;
    for (; next < to && count < kBatch; ++next) {
      if (columns_.dead(next)) continue;
      slots[count] = next;
      rows[count++] = rows_->row(next);
    }
    distances(identity_.metric, query, std::span(rows).first(count), std::span(found).first(count));
    for (std::uint32_t i = 0; i < count; ++i) {
      // The distance is cheap, the permission behind `accept` is not: ask only for what counts.
      const Neighbour neighbour{.distance = found[i], .slot = slots[i]};
      if (nearest.wants(neighbour) && accept(neighbour.slot)) nearest.take(neighbour);
    }
  }
  return std::move(nearest).sorted();
}

std::vector<Neighbour> Space::nearest(std::span<const float> query, const SpaceSearch& how,
                                      Graph::Accept accept) const {
  if (!rows_ || how.k == 0) return {};
  VEXFS_ASSERT(query.size() == identity_.dimension);
  // Read before the graph is asked: what it takes in meanwhile is seen twice, never missed.
  const std::uint32_t graphed = this->graphed();
  const std::uint32_t size = this->size();
  const Graph* graph = this->graph();
  if (how.exact || graph == nullptr || graphed == 0) return scan(query, 0, size, how.k, accept);

  auto found = graph->search(query, how.k, std::max(how.ef, how.k), [&](Slot slot) {
    return slot < size && !columns_.dead(slot) && accept(slot);
  });
  if (graphed < size) {
    const auto tail = scan(query, graphed, size, how.k, accept);
    found.insert(found.end(), tail.begin(), tail.end());
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.size() > how.k) found.resize(how.k);
  }
  return found;
}

void Space::make_graph() {
  if (graph_) return;
  graph_ = std::make_unique<Graph>(*rows_, GraphOptions{.metric = identity_.metric});
  graph_ready_.store(graph_.get(), std::memory_order_release);
}

Result<bool> Space::grow_graph(std::uint32_t rows_max) {
  if (!rows_) return false;
  Lock lock(grow_mutex_);
  const std::uint32_t size = this->size();
  Slot next = graphed();
  if (next == size || (!graph_ && live() < kGraphRowsMin)) return false;
  make_graph();
  for (std::uint32_t done = 0; next < size && done < rows_max; ++next) {
    if (columns_.dead(next)) continue;
    VEXFS_CHECK(graph_->insert(next));
    // Killed between the look and the insert: kill() found nothing to erase then.
    if (columns_.dead(next)) graph_->erase(next);
    ++done;
    graphed_.store(next + 1, std::memory_order_release);
  }
  graphed_.store(next, std::memory_order_release);
  return true;
}

Space::Width Space::width() const {
  return width_.load(std::memory_order_relaxed);
}

bool Space::sample_width(double target) {
  constexpr std::uint32_t kQuestions = 64, kNearest = 10;
  constexpr std::uint64_t kChangedOneIn = 4;
  const Graph* const graph = this->graph();
  if (graph == nullptr || graph->live() == 0) return false;
  // Rows that came and rows that went: each inserts or erases.
  const std::uint64_t edits = std::uint64_t{graphed()} + (size() - live());
  const std::uint64_t changed = edits - std::min(edits, sampled_edits_);
  if (target == sampled_target_ && changed * kChangedOneIn <= sampled_edits_) return false;
  sampled_target_ = target;
  sampled_edits_ = edits;
  const Graph::Width width = graph->width_for(target, kQuestions, kNearest, edits);
  width_.store({.ef = width.ef, .recall = static_cast<float>(width.recall)},
               std::memory_order_relaxed);
  return true;
}

Result<> Space::load_graph(std::uint32_t graphed, Graph::ReadPiece read) {
  if (!rows_ || graphed > size()) return fail(EUCLEAN, "space: the graph covers unknown slots");
  Lock lock(grow_mutex_);
  VEXFS_ASSERT(!graph_);
  auto graph = std::make_unique<Graph>(*rows_, GraphOptions{.metric = identity_.metric});
  VEXFS_CHECK(graph->load(read));
  for (Slot slot = 0; slot < graphed; ++slot) {
    if (columns_.dead(slot))
      graph->erase(slot);
    else if (!graph->contains(slot))
      return fail(EUCLEAN, "space: the graph lacks a live slot");
  }
  graph_ = std::move(graph);
  graph_ready_.store(graph_.get(), std::memory_order_release);
  graphed_.store(graphed, std::memory_order_release);
  return {};
}

Result<std::uint32_t> Space::save_graph(Graph::WritePiece write) {
  Lock lock(grow_mutex_);
  if (!graph_) return 0;
  const std::uint32_t covered = graphed();
  VEXFS_CHECK(graph_->save(write));
  return covered;
}

}  // namespace vexfs
