// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/assert.h"
#include "hnsw/graph.h"
#include "vector/distance.h"
#include "vector/float_mode.h"

namespace vexfs {

namespace {

constexpr std::size_t kBatchRows = 64;

}  // namespace

std::vector<Neighbour> exact_search(const Rows& rows, Metric metric, std::span<const float> query,
                                    std::uint32_t k, Graph::Accept accept) {
  VEXFS_ASSERT(query.size() == rows.dimension());
  FlushDenormals flush;
  std::vector<Neighbour> nearest;  // a heap, farthest on top
  if (k == 0) return nearest;
  std::array<Slot, kBatchRows> slots;
  std::array<const float*, kBatchRows> batch;
  std::array<float, kBatchRows> out;
  std::size_t count = 0;
  const auto measure = [&] {
    distances(metric, query, {batch.data(), count}, {out.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      const Neighbour seen{.distance = out[i], .slot = slots[i]};
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
    slots[count] = slot;
    batch[count] = rows.row(slot);
    if (++count == kBatchRows) measure();
  }
  measure();
  std::ranges::sort_heap(nearest);
  return nearest;
}

}  // namespace vexfs
