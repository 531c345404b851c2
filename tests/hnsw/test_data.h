// SPDX-License-Identifier: Apache-2.0
// Seeded vectors for the tests of hnsw/: a mixture of clusters of unequal size and spread, as
// embeddings are, and the answers by definition.
#pragma once
#include <random>
#include <set>
#include <vector>

#include "hnsw/graph.h"
#include "vector/distance.h"

namespace vexfs::test {

class Mixture {
 public:
  Mixture(std::uint32_t dimension, unsigned clusters, std::uint64_t seed)
      : dimension_(dimension), rng_(seed) {
    for (unsigned c = 0; c < clusters; ++c) {
      centres_.push_back(gaussian(1.0f));
      spreads_.push_back(std::exp(0.5f * normal_(rng_) - 0.7f));
    }
  }
  // Normalised for cosine, so it may be appended to rows and asked.
  std::vector<float> draw(Metric metric) {
    // Squared: small cluster numbers are drawn more often.
    const double u = std::uniform_real_distribution<double>()(rng_);
    const auto c = static_cast<std::size_t>(u * u * static_cast<double>(centres_.size()));
    std::vector<float> v = gaussian(spreads_[c]);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] += centres_[c][i];
    if (metric == Metric::cosine) normalise(v);
    return v;
  }

 private:
  std::vector<float> gaussian(float sigma) {
    std::vector<float> v(dimension_);
    for (float& x : v) x = sigma * normal_(rng_);
    return v;
  }
  const std::uint32_t dimension_;
  std::mt19937_64 rng_;
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centres_;
  std::vector<float> spreads_;
};

inline constexpr auto everything = [](Slot) { return true; };

// Part of the true k nearest that `graph` finds, over `questions` drawn from `data`.
inline double recall_of(const Graph& graph, const Rows& rows, Metric metric, Mixture& data,
                        unsigned questions, std::uint32_t k, std::uint32_t ef,
                        Graph::Accept accept = everything) {
  std::size_t found = 0, wanted = 0;
  for (unsigned i = 0; i < questions; ++i) {
    const std::vector<float> query = data.draw(metric);
    const auto truth = exact_search(
        rows, metric, query, k, [&](Slot slot) { return graph.contains(slot) && accept(slot); });
    std::set<Slot> true_slots;
    for (const Neighbour& n : truth) true_slots.insert(n.slot);
    for (const Neighbour& n : graph.search(query, k, ef, accept)) found += true_slots.count(n.slot);
    wanted += truth.size();
  }
  return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
}

// Slots that a walk with a beam as wide as the graph answers: all that can be reached.
inline std::size_t reachable(const Graph& graph, const Rows& rows) {
  const std::vector<float> query(rows.row(0), rows.row(0) + rows.dimension());
  return graph.search(query, rows.size(), rows.size(), everything).size();
}

}  // namespace vexfs::test
