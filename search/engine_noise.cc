// SPDX-License-Identifier: Apache-2.0
#include "search/engine_noise.h"

#include <vector>

#include "search/ranking.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kQuestions = 48;
constexpr std::uint32_t kRowsEach = 48;
constexpr std::uint64_t kSeed = 1;

float measure(const Collection::Computed& computed, const Embedder& embedder) {
  const Space& space = *computed.space;
  const TextIndex& index = computed.text->index();
  std::vector<Slot> live;
  for (Slot slot = 0; slot < space.size(); ++slot)
    if (!space.columns().dead(slot)) live.push_back(slot);
  if (live.empty()) return 1;
  std::vector<float> cosines;
  std::vector<float> row(embedder.dimension());
  std::uint64_t next = 0;
  for (const std::string& text : random_questions(index, kQuestions, kSeed)) {
    const TermBag terms = terms_of(text);
    if (!embedder.embed_question({.text = text, .terms = terms, .statistics = index}, row))
      continue;
    for (std::uint32_t i = 0; i < kRowsEach; ++i) {
      // Steps by a large odd number: spread over all rows, and the same ones for equal spaces.
      const Slot slot = live[(next++ * 2654435761u) % live.size()];
      const std::span<const float> other(space.row(slot), embedder.dimension());
      cosines.push_back(1 - distance(Metric::cosine, row, other));
    }
  }
  return noise_level(std::move(cosines));
}

}  // namespace

float NoiseLevels::of(const Collection::Computed& computed, const Embedder& embedder,
                      bool settled) {
  const Space& space = *computed.space;
  const std::uint32_t live = space.live(), size = space.size();
  if (live == 0) return 1;
  {
    Lock lock(mutex_);
    const auto found = known_.find(space.identity().id);
    if (found != known_.end()) {
      const Known& known = found->second;
      const bool same = known.live == live && known.size == size;
      const bool close = size < known.size + known.size / 4 + 16;
      if (same || (!settled && close)) return known.level;
    }
  }
  const float level = measure(computed, embedder);
  Lock lock(mutex_);
  known_[space.identity().id] = {.level = level, .live = live, .size = size};
  return level;
}

}  // namespace vexfs
