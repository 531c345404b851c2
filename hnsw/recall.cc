// SPDX-License-Identifier: Apache-2.0
// Recall, sampled: approximate search must not fall behind without anybody noticing.
#include <algorithm>
#include <random>

#include "base/metrics.h"
#include "hnsw/graph_impl.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kWidths[] = {16,  24,  32,  48,  64,   96,   128, 192,
                                     256, 384, 512, 768, 1024, 1536, 2048};

void show(double recall) {
  static Gauge& last = metrics::gauge("vexfs_graph_recall_permille",
                                      "Last sampled recall, in thousandths of the exact answer");
  last.set(static_cast<std::int64_t>(1000 * recall));
}

}  // namespace

std::vector<Graph::Impl::Sample> Graph::Impl::samples(std::uint32_t questions, std::uint32_t k,
                                                      std::uint64_t seed) const {
  std::minstd_rand random(static_cast<std::minstd_rand::result_type>(seed));
  const std::uint32_t end = nodes_.slots_end();
  std::vector<Sample> samples;
  for (std::uint32_t tries = 0; samples.size() < questions && tries < 20 * questions; ++tries) {
    if (end == 0) break;
    const Slot self = static_cast<Slot>(random() % end);
    if (!nodes_.is_live(self)) continue;
    const auto truth =
        exact_search(rows_, options_.metric, {rows_.row(self), rows_.dimension()}, k,
                     [&](Slot slot) { return slot != self && nodes_.is_live(slot); });
    samples.push_back({.self = self,
                       .wanted = static_cast<std::uint32_t>(truth.size()),
                       .farthest = truth.empty() ? 0 : truth.back().distance});
  }
  return samples;
}

double Graph::Impl::recall_of(std::span<const Sample> samples, std::uint32_t k,
                              std::uint32_t ef) const {
  std::uint64_t wanted = 0, found = 0;
  for (const Sample& sample : samples) {
    // Without itself, which any search finds.
    const auto accept = [&](Slot slot) { return slot != sample.self && nodes_.is_live(slot); };
    const std::span query(rows_.row(sample.self), rows_.dimension());
    const auto answer = search(query, k, ef, accept, nullptr);
    // By distance: which of several equal rows is answered does not matter.
    const auto near = std::ranges::count_if(
        answer, [&](const Neighbour& n) { return n.distance <= sample.farthest; });
    wanted += sample.wanted;
    found += std::min(static_cast<std::uint64_t>(near), std::uint64_t{sample.wanted});
  }
  return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
}

double Graph::Impl::sample_recall(std::uint32_t questions, std::uint32_t k, std::uint32_t ef,
                                  std::uint64_t seed) const {
  const double recall = recall_of(samples(questions, k, seed), k, ef);
  show(recall);
  return recall;
}

Graph::Width Graph::Impl::width_for(double target, std::uint32_t questions, std::uint32_t k,
                                    std::uint64_t seed) const {
  const std::vector<Sample> asked = samples(questions, k, seed);
  Width width;
  for (const std::uint32_t ef : kWidths) {
    if (ef < k) continue;
    width = {.ef = ef, .recall = recall_of(asked, k, ef)};
    if (width.recall >= target) break;
  }
  show(width.recall);
  return width;
}

}  // namespace vexfs
