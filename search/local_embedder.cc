// SPDX-License-Identifier: Apache-2.0
#include "search/local_embedder.h"

#include "base/assert.h"
#include "base/metrics.h"
#include "base/text.h"
#include "search/chunker.h"
#include "search/hashed_terms.h"

namespace vexfs {

namespace {

Histogram& embed_seconds() {
  return metrics::histogram("vexfs_embed_seconds", "Embedding one text", "embedder=\"local\"");
}

// Version 0. Documents are hashed without weights, questions with the idf of this moment.
class Untrained : public LocalEmbedder {
 public:
  std::uint32_t dimension() const override { return kLocalDimension; }
  std::string identity() const override { return local_identity(0); }
  std::uint32_t version() const override { return 0; }

  Result<> embed_documents(std::span<const DocumentText> documents,
                           std::span<float> rows) const override {
    VEXFS_ASSERT(rows.size() == documents.size() * kLocalDimension);
    static Histogram& took = embed_seconds();
    for (std::size_t i = 0; i < documents.size(); ++i) {
      Timed timed(took);
      hash_terms(
          documents[i].terms, [](TermId) { return 1.0F; },
          rows.subspan(i * kLocalDimension, kLocalDimension));
    }
    return {};
  }

  Result<> embed_question(const QuestionText& question, std::span<float> row) const override {
    VEXFS_ASSERT(row.size() == kLocalDimension);
    const std::uint32_t documents = question.statistics.documents();
    hash_terms(
        question.terms,
        [&](TermId id) {
          return inverse_frequency(documents, question.statistics.document_frequency(id));
        },
        row);
    return {};
  }
};

}  // namespace

std::string local_identity(std::uint32_t version) {
  return format("local version={} dimension={} chunker={} terms={}", version, kLocalDimension,
                kChunkerVersion, kTermsVersion);
}

LocalEmbedder::Ref LocalEmbedder::untrained() {
  return std::make_shared<Untrained>();
}

}  // namespace vexfs
