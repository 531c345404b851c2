// SPDX-License-Identifier: Apache-2.0
// TextRanker: files to chunks to an order, by the same parts as the engine and nothing else; for
// measuring what ranking is worth without a volume. Exact: every row is compared.
#pragma once
#include <string>
#include <vector>

#include "search/local_embedder.h"
#include "search/question.h"
#include "search/ranking.h"
#include "search/text_index.h"
#include "tests/support/cranfield.h"

namespace vexfs {

class TextRanker {
 public:
  void add(const std::string& id, const std::string& content);
  // Embeds every chunk with this embedder, from now on the one that questions use.
  void embed(LocalEmbedder::Ref embedder);
  // The ids of the best files, best first; the best chunk stands for its file.
  std::vector<std::string> rank(const std::string& question, Mode mode, std::size_t k) const;

  const TextIndex& index() const { return index_; }
  const std::vector<float>& rows() const { return rows_; }
  std::size_t chunks() const { return owners_.size(); }

 private:
  std::vector<ScoredSlot> nearest(std::span<const float> query, std::size_t k) const;
  float cosine(std::span<const float> query, Slot slot) const;
  TextIndex index_;
  LocalEmbedder::Ref embedder_;
  std::vector<std::string> owners_;  // by slot
  std::vector<std::string> texts_;
  std::vector<TermBag> bags_;
  std::vector<float> rows_;
};

// Mean nDCG@10 over the questions.
double mean_ndcg(const TextRanker& ranker, const Cranfield& cranfield, Mode mode);

}  // namespace vexfs
