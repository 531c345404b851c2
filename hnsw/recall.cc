// SPDX-License-Identifier: Apache-2.0
// Recall, sampled: approximate search must not fall behind without anybody noticing.
#include <algorithm>
#include <random>

#include "base/metrics.h"
#include "hnsw/graph_impl.h"

namespace vexfs {

double Graph::Impl::sample_recall(std::uint32_t questions, std::uint32_t k, std::uint32_t ef,
                                  std::uint64_t seed) const {
  static Gauge& last = metrics::gauge("vexfs_graph_recall_permille",
                                      "Last sampled recall, in thousandths of the exact answer");
  std::minstd_rand random(static_cast<std::minstd_rand::result_type>(seed));
  const std::uint32_t end = nodes_.slots_end();
  std::uint64_t wanted = 0, found = 0;
  for (std::uint32_t asked = 0, tries = 0; asked < questions && tries < 20 * questions; ++tries) {
    if (end == 0) break;
    const Slot self = static_cast<Slot>(random() % end);
    if (!nodes_.is_live(self)) continue;
    ++asked;
    // Without itself, which any search finds.
    const auto accept = [&](Slot slot) { return slot != self && nodes_.is_live(slot); };
    const std::span query(rows_.row(self), rows_.dimension());
    const auto truth = exact_search(rows_, options_.metric, query, k, accept);
    // By distance: which of several equal rows is answered does not matter.
    const auto answer = search(query, k, ef, accept, nullptr);
    const float farthest = truth.empty() ? 0 : truth.back().distance;
    wanted += truth.size();
    found += static_cast<std::uint64_t>(
        std::ranges::count_if(answer, [&](const Neighbour& n) { return n.distance <= farthest; }));
  }
  if (wanted == 0) return 1;
  const double recall = static_cast<double>(found) / static_cast<double>(wanted);
  last.set(static_cast<std::int64_t>(1000 * recall));
  return recall;
}

}  // namespace vexfs
