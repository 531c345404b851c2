// SPDX-License-Identifier: Apache-2.0
#include "tests/support/text_ranker.h"

#include <algorithm>
#include <unordered_set>

#include "base/assert.h"
#include "search/chunker.h"
#include "vector/distance.h"

namespace vexfs {

namespace {
constexpr std::uint32_t kDepth = 200;  // of each list, as in the engine
constexpr auto kAny = [](Slot) { return true; };
}  // namespace

void TextRanker::add(const std::string& id, const std::string& content) {
  const Extracted extracted = extract(id + ".txt", as_bytes(content), content.size());
  bool first = true;
  for (const Chunk& chunk : chunks_of(extracted)) {
    bags_.push_back(terms_of(chunk.text, {.first_line_twice = first}));
    index_.add(static_cast<Slot>(owners_.size()), bags_.back());
    owners_.push_back(id);
    texts_.emplace_back(chunk.text);
    first = false;
  }
}

void TextRanker::embed(LocalEmbedder::Ref embedder) {
  embedder_ = std::move(embedder);
  std::vector<DocumentText> documents;
  for (std::size_t slot = 0; slot < bags_.size(); ++slot)
    documents.push_back({.text = texts_[slot], .terms = bags_[slot]});
  rows_.assign(documents.size() * embedder_->dimension(), 0);
  VEXFS_ASSERT(embedder_->embed_documents(documents, rows_));
}

float TextRanker::cosine(std::span<const float> query, Slot slot) const {
  return 1 - distance(Metric::cosine, query,
                      std::span(rows_).subspan(slot * query.size(), query.size()));
}

std::vector<ScoredSlot> TextRanker::nearest(std::span<const float> query, std::size_t k) const {
  std::vector<ScoredSlot> all;
  for (Slot slot = 0; slot < owners_.size(); ++slot)
    all.push_back({.slot = slot, .score = cosine(query, slot)});
  std::ranges::sort(all, [](const ScoredSlot& a, const ScoredSlot& b) {
    return a.score != b.score ? a.score > b.score : a.slot < b.slot;
  });
  all.resize(std::min(all.size(), k));
  return all;
}

std::vector<std::string> TextRanker::rank(const std::string& question, Mode mode,
                                          std::size_t k) const {
  const TermBag terms = index_.corrected(terms_of(question), kAny);
  std::vector<ScoredSlot> by_text, by_vector;
  std::vector<float> query(kLocalDimension);
  if (mode != Mode::vector) by_text = index_.search(terms, kDepth, kAny);
  if (mode != Mode::text) {
    VEXFS_ASSERT(
        embedder_->embed_question({.text = question, .terms = terms, .statistics = index_}, query));
    by_vector = nearest(query, kDepth);
  }
  const auto bm25_of = [&](std::span<const Slot> slots, std::span<float> scores) {
    if (mode != Mode::vector) index_.score(terms, slots, scores);
  };
  const auto cosine_of = [&](std::span<const Slot> slots, std::span<float> scores) {
    for (std::size_t i = 0; i < slots.size() && mode != Mode::text; ++i)
      scores[i] = cosine(query, slots[i]);
  };
  std::vector<std::string> ids;
  std::unordered_set<std::string> seen;
  for (const Candidate& candidate : fuse(by_text, by_vector, bm25_of, cosine_of)) {
    if (ids.size() == k) break;
    const std::string& id = owners_[candidate.slot];
    if (seen.insert(id).second) ids.push_back(id);
  }
  return ids;
}

double mean_ndcg(const TextRanker& ranker, const Cranfield& cranfield, Mode mode) {
  double sum = 0;
  for (const Cranfield::Question& question : cranfield.questions)
    sum += ndcg_at_10(ranker.rank(question.text, mode, 10), question.relevant);
  return sum / static_cast<double>(cranfield.questions.size());
}

}  // namespace vexfs
