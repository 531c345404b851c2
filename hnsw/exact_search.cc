// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <new>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "hnsw/graph.h"
#include "vector/distance.h"
#include "vector/float_mode.h"

namespace vexfs {

namespace {

constexpr std::size_t kBatchRows = 64;

// In pooled memory: a kilobyte.
struct Batch {
  std::array<const float*, kBatchRows> rows;
  std::array<Slot, kBatchRows> slots;
  std::array<float, kBatchRows> distances;
};

}  // namespace

std::vector<Neighbour> exact_search(const Rows& rows, Metric metric, std::span<const float> query,
                                    std::uint32_t k, Graph::Accept accept) {
  VEXFS_ASSERT(query.size() == rows.dimension());
  FlushDenormals flush;
  std::vector<Neighbour> nearest;  // a heap, farthest on top
  if (k == 0) return nearest;
  const Buffer memory = Buffer::take(sizeof(Batch));
  Batch& batch = *new (memory.data()) Batch;
  std::size_t count = 0;
  const auto measure = [&] {
    distances(metric, query, {batch.rows.data(), count}, {batch.distances.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      const Neighbour seen{.distance = batch.distances[i], .slot = batch.slots[i]};
      if (nearest.size() == k) {
        if (seen >= nearest.front()) continue;
        std::ranges::pop_heap(nearest);
        nearest.pop_back();
      }
      nearest.push_back(seen);
      std::ranges::push_heap(nearest);
    }
    count = 0;
  };
  const std::uint32_t end = rows.size();
  for (Slot slot = 0; slot < end; ++slot) {
    if (!accept(slot)) continue;
    batch.slots[count] = slot;
    batch.rows[count] = rows.row(slot);
    if (++count == kBatchRows) measure();
  }
  measure();
  std::ranges::sort_heap(nearest);
  return nearest;
}

}  // namespace vexfs
