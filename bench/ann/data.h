// SPDX-License-Identifier: Apache-2.0
// Seeded vectors with the shape of learned embeddings, and the answers by definition.
//
// A mixture of Gaussian clusters of unequal size and spread in a latent space of few dimensions
// goes through a fixed random two-layer network; a little noise is added. So the data has low
// intrinsic dimension, curvature, hubs and crowded places, which plain random data has not.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "vector/metric.h"
#include "vector/rows.h"

namespace vexfs::bench {

struct DataOptions {
  std::uint32_t dimension = 128, latent = 48, clusters = 1000;
  float noise = 0.05f;
  std::uint64_t seed = 1;
};

class Generator {
 public:
  explicit Generator(DataOptions options);
  // The next vector; base and questions are drawn one after the other from the same law.
  void draw(std::span<float> into);

 private:
  float normal();
  std::uint64_t random();
  const DataOptions options_;
  const std::uint32_t hidden_;
  std::uint64_t state_;
  std::vector<float> cumulative_;  // of the clusters' weights
  std::vector<float> centres_, spreads_, first_, bias_, second_;
  std::vector<float> latent_, activations_;
};

struct DataSet {
  explicit DataSet(std::uint32_t dimension) : rows(dimension) {}
  std::string name;
  Metric metric = Metric::l2;
  Rows rows;
  std::vector<float> questions;          // one after the other
  std::vector<std::vector<Slot>> truth;  // the k nearest of each
  std::span<const float> question(std::size_t i) const {
    return std::span(questions).subspan(i * rows.dimension(), rows.dimension());
  }
};

// Adds the exact answers. Takes questions × rows distances.
void answer_exactly(DataSet& data, std::uint32_t k);

// Part of `truth` that is among `answer`.
double recall_of(std::span<const Slot> truth, std::span<const Slot> answer);

}  // namespace vexfs::bench
