// SPDX-License-Identifier: Apache-2.0
// Ranking: one order out of two lists, what is a hit at all, and what to show of it.
// Threads: any.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "search/embedder.h"
#include "search/text_index.h"

namespace vexfs {

struct Candidate {
  Slot slot = 0;
  float bm25 = 0;    // 0: no term of the question
  float cosine = 0;  // 0: it has no vector
  float score = 0;   // what the order is by
};

// .6 bm25/max + .4 cosine/max over the union of both lists, best first, equal scores by slot.
// What one list lacks is computed: bm25_of by TextIndex::score(), cosine_of from the slot's row.
// Maxima are those of the candidates, so pass only what the caller may read.
using BatchScores = FunctionRef<void(std::span<const Slot>, std::span<float>)>;
std::vector<Candidate> fuse(std::span<const ScoredSlot> by_text,
                            std::span<const ScoredSlot> by_vector, BatchScores bm25_of,
                            BatchScores cosine_of);

// Questions made of words that stand together in random chunks: what noise is measured with.
// Deterministic for one index and seed; fewer when the index is small.
std::vector<std::string> random_questions(const TextIndex& text, std::uint32_t count,
                                          std::uint64_t seed);
// The level below which a cosine says nothing: the 99.9th percentile of `cosines`, which are of
// random question-chunk pairs (a thousand or more for a sound figure). 1 when there are none.
float noise_level(std::vector<float> cosines);

// The line (or a part of it) of `text` that says most about the question: one line, valid UTF-8,
// at most `bytes_max` bytes, runs of white space as one space. The first line when none matches.
struct Snippet {
  std::string text = {};
  std::uint32_t line = 0;  // of `text`, from 0, where it begins
};
Snippet snippet_of(std::string_view text, const TermBag& question, std::size_t bytes_max = 160);

}  // namespace vexfs
