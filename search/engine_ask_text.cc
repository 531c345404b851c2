// SPDX-License-Identifier: Apache-2.0
// Ask, by words: the text index and the embedder of one collection, fused (EMBEDDER.md §8).
#include <algorithm>
#include <memory>
#include <utility>

#include "base/metrics.h"
#include "search/engine_ask.h"
#include "search/ranking.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

// Both lists are cut before they are fused: deep enough that what either ranks high is in it.
constexpr std::uint32_t kDepthMin = 200;

Histogram& phase(const char* labels) {
  return metrics::histogram("vexfs_search_phase_seconds", "Phases of a question", labels);
}

// What lives through a question. On the heap, for the search below wants the stack.
struct Asked {
  explicit Asked(Collection::Computed of) : computed(std::move(of)) {}
  const Collection::Computed computed;
  TermBag terms;
  std::vector<float> query;
};

bool is_zero(std::span<const float> row) {
  return std::ranges::all_of(row, [](float value) { return value == 0; });
}

}  // namespace

Result<Ask::List> Ask::ask_text(const Collection& collection) {
  const auto asked = std::make_unique<Asked>(collection.computed());
  const Collection::Computed& computed = asked->computed;
  if (!computed.space) return List{};
  const Space& space = *computed.space;
  const TextIndex& index = computed.text->index();
  const auto accept = [&](Slot slot) { return slot < space.size() && usable(space, slot); };
  const Embedder* const embedder = computed.embedder.get();
  const bool vectors = embedder != nullptr;
  const bool by_words = options_.mode != Mode::vector;
  bool by_vectors = options_.mode != Mode::text && vectors;
  if (options_.mode == Mode::vector && !vectors) {
    ++left_out_;
    return List{};
  }

  const TermBag& terms = asked->terms = index.corrected(terms_, accept);
  std::vector<float>& query = asked->query;
  if (by_vectors) query.resize(embedder->dimension());
  if (by_vectors) {
    static Histogram& took = phase("phase=\"embed\"");
    Timed timed(took);
    const auto embedded = embedder->embed_question(
        {.text = question_.text, .terms = terms, .statistics = index}, query);
    if (!embedded && embedded.error().code != EAGAIN) return std::unexpected(embedded.error());
    if (!embedded) {  // words answer alone, and the status record says so
      ++left_out_;
      query.clear();
      by_vectors = false;
      if (!by_words) return List{};
    }
  }

  const auto bm25_of = [&](std::span<const Slot> slots, std::span<float> scores) {
    index.score(terms, slots, scores);
  };
  const auto cosine_of = [&](std::span<const Slot> slots, std::span<float> scores) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      scores[i] = 0;
      if (is_zero(query) || replaced_by_own(collection, space, slots[i])) continue;
      const std::span<const float> row(space.row(slots[i]), query.size());
      scores[i] = 1 - distance(Metric::cosine, query, row);
    }
  };
  const float noise = by_vectors ? noise_.of(computed, *embedder, state_.queue.size() == 0) : 1;
  const auto ranked_of = [&](const Candidate& candidate) {
    Ranked ranked{.ino = space.columns().ino(candidate.slot),
                  .space = computed.space,
                  .slot = candidate.slot,
                  .score = !by_words     ? candidate.cosine
                           : !by_vectors ? candidate.bm25
                                         : candidate.score};
    if (candidate.bm25 > 0) ranked.bm25 = candidate.bm25;
    if (by_vectors) ranked.cosine = candidate.cosine;
    return ranked;
  };
  // The lists are of chunks and the answer is of files: one long file may fill a list, so they
  // are cut deeper until there are enough files or no more matches.
  for (std::uint32_t depth = std::max(kDepthMin, 4 * options_.k);; depth *= 8) {
    std::vector<ScoredSlot> from_words, from_vectors;
    if (by_words) {
      static Histogram& took = phase("phase=\"words\"");
      Timed timed(took);
      from_words = index.search(terms, depth, accept);
    }
    if (!is_zero(query))
      for (const Ranked& one :
           nearest(collection, computed.space, query, {.k = depth, .distinct = false}))
        from_vectors.push_back({.slot = one.slot, .score = one.score});
    List list;
    bool below_noise = false;  // by vectors alone: hits for the words they share with the question
    for (const Candidate& candidate : fuse(from_words, from_vectors, bm25_of, cosine_of)) {
      if (candidate.cosine <= noise && candidate.bm25 <= 0) continue;
      below_noise |= !by_words && candidate.cosine <= noise;
      list.push_back(ranked_of(candidate));
    }
    const bool no_more =
        from_words.size() < depth &&
        (from_vectors.size() < depth || (from_vectors.back().score <= noise && !below_noise));
    list = distinct(std::move(list));
    if (no_more || list.size() >= options_.k || depth >= space.size()) return list;
  }
}

}  // namespace vexfs
