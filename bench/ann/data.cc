// SPDX-License-Identifier: Apache-2.0
#include "bench/ann/data.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "hnsw/graph.h"
#include "vector/distance.h"

namespace vexfs::bench {

Generator::Generator(DataOptions options)
    : options_(options),
      hidden_(std::max(128u, 2 * options.latent)),
      state_(options.seed),
      latent_(options.latent),
      activations_(hidden_) {
  const auto fill = [&](std::vector<float>& into, std::size_t count, float scale) {
    into.resize(count);
    for (float& x : into) x = scale * normal();
  };
  float total = 0;
  for (std::uint32_t c = 0; c < options.clusters; ++c)
    cumulative_.push_back(total += std::pow(static_cast<float>(c + 1), -0.7f));
  for (float& weight : cumulative_) weight /= total;
  const std::size_t latent = options.latent, dimension = options.dimension;
  fill(centres_, options.clusters * latent, 1);
  fill(spreads_, options.clusters * latent, 1);
  for (float& spread : spreads_) spread = std::exp(0.5f * spread - 0.7f);
  fill(first_, hidden_ * latent, 1 / std::sqrt(static_cast<float>(latent)));
  fill(bias_, hidden_, 0.3f);
  fill(second_, hidden_ * dimension, 1 / std::sqrt(static_cast<float>(hidden_)));
}

// SplitMix64 (Vigna).
std::uint64_t Generator::random() {
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Box and Muller; the second of each pair is not kept.
float Generator::normal() {
  const auto uniform = [&] { return static_cast<float>((random() >> 40) + 1) * 0x1p-24f; };
  const float radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi_v<float> * uniform());
}

void Generator::draw(std::span<float> into) {
  const float u = static_cast<float>(random() >> 40) * 0x1p-24f;
  const auto cluster = std::min<std::size_t>(
      static_cast<std::size_t>(std::ranges::upper_bound(cumulative_, u) - cumulative_.begin()),
      cumulative_.size() - 1);
  const std::size_t latent = options_.latent;
  for (std::size_t i = 0; i < latent; ++i)
    latent_[i] = centres_[cluster * latent + i] + spreads_[cluster * latent + i] * normal();
  for (std::size_t h = 0; h < hidden_; ++h) {
    float sum = bias_[h];
    for (std::size_t i = 0; i < latent; ++i) sum += latent_[i] * first_[h * latent + i];
    activations_[h] = std::tanh(1.5f * sum);
  }
  for (float& x : into) x = options_.noise * normal();
  for (std::size_t h = 0; h < hidden_; ++h) {
    const float activation = activations_[h];
    const float* weights = &second_[h * into.size()];
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += activation * weights[i];
  }
}

// A block of rows stays in the cache while every question is held against it.
void answer_exactly(DataSet& data, std::uint32_t k) {
  constexpr Slot kBlockRows = 128;
  const std::size_t questions = data.questions.size() / data.rows.dimension();
  std::vector<std::vector<Neighbour>> nearest(questions);  // heaps, the farthest on top
  std::vector<const float*> block;
  std::vector<float> out;
  for (Slot begin = 0; begin < data.rows.size(); begin += kBlockRows) {
    block.clear();
    for (Slot slot = begin; slot < std::min(begin + kBlockRows, data.rows.size()); ++slot)
      block.push_back(data.rows.row(slot));
    out.resize(block.size());
    for (std::size_t q = 0; q < questions; ++q) {
      distances(data.metric, data.question(q), block, out);
      std::vector<Neighbour>& heap = nearest[q];
      for (std::size_t i = 0; i < out.size(); ++i) {
        const Neighbour seen{.distance = out[i], .slot = begin + static_cast<Slot>(i)};
        if (heap.size() == k && !(seen < heap.front())) continue;
        if (heap.size() == k) {
          std::ranges::pop_heap(heap);
          heap.pop_back();
        }
        heap.push_back(seen);
        std::ranges::push_heap(heap);
      }
    }
  }
  data.truth.assign(questions, {});
  for (std::size_t q = 0; q < questions; ++q)
    for (const Neighbour& n : nearest[q]) data.truth[q].push_back(n.slot);
}

double recall_of(std::span<const Slot> truth, std::span<const Slot> answer) {
  std::size_t found = 0;
  for (Slot slot : answer) found += std::ranges::find(truth, slot) != truth.end();
  return static_cast<double>(found) / static_cast<double>(truth.size());
}

}  // namespace vexfs::bench
