// SPDX-License-Identifier: Apache-2.0
#include "search/local_embedder.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "base/endian.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "base/text.h"
#include "search/basis_training.h"
#include "search/chunker.h"
#include "search/hashed_terms.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kHashedDimension = 255;
static_assert(kBasisDimensionMax + kHashedDimension + 1 == kLocalDimension);
// Cranfield, vector / hybrid: .539/.553 at .6, .552/.555 at .75, .559/.557 at .85, .561/.555 at .9.
constexpr float kLearntShare = 0.85F;
constexpr float kPivot = 0.6F;  // of a document's own weight in its length; the rest is typical
constexpr std::uint32_t kFirstTrainingChunks = 50;
constexpr std::uint32_t kSmall = 5000;  // chunks; below it a training costs little

struct SavedHeader {  //  offset
  le32 magic;         //   0
  le32 version;       //   4  then a Basis, where it is not 0
};
static_assert(sizeof(SavedHeader) == 8 && alignof(SavedHeader) == 1);
constexpr std::uint32_t kMagic = 0x4d455856;  // "VXEM"

std::string header_of(std::uint32_t version) {
  return std::string(as_text(bytes_of(SavedHeader{.magic = kMagic, .version = version})));
}

std::string identity_of(std::uint32_t version, std::string_view saved_basis) {
  return format("local version={} basis={:016x} dimension={} chunker={} terms={}", version,
                hash64(as_bytes(saved_basis)), kLocalDimension, kChunkerVersion, kTermsVersion);
}

Histogram& embed_seconds() {
  return metrics::histogram("vexfs_embed_seconds", "Embedding one text", "embedder=\"local\"");
}

// What both versions do alike.
class Local : public LocalEmbedder {
 public:
  std::uint32_t dimension() const override { return kLocalDimension; }
  Result<> embed_documents(std::span<const DocumentText> documents,
                           std::span<float> rows) const override {
    VEXFS_ASSERT(rows.size() == documents.size() * kLocalDimension);
    static Histogram& took = embed_seconds();
    for (std::size_t i = 0; i < documents.size(); ++i) {
      Timed timed(took);
      embed_document(documents[i].terms, rows.subspan(i * kLocalDimension, kLocalDimension));
    }
    return {};
  }

 private:
  virtual void embed_document(const TermBag& terms, std::span<float> row) const = 0;
};

// Documents are hashed without weights, questions with the idf of this moment.
class Untrained : public Local {
 public:
  std::string identity() const override { return identity_of(0, {}); }
  std::string save() const override { return header_of(0); }
  std::uint32_t version() const override { return 0; }
  bool wants_training(const TextIndex& text) const override {
    return text.documents() >= kFirstTrainingChunks;
  }

  Result<> embed_question(const QuestionText& question, std::span<float> row) const override {
    VEXFS_ASSERT(row.size() == kLocalDimension);
    const std::uint32_t documents = question.statistics.documents();
    const auto weight_of = [&](TermId id) {
      return inverse_frequency(documents, question.statistics.document_frequency(id));
    };
    hash_terms(question.terms, weight_of, row);
    return {};
  }

 private:
  void embed_document(const TermBag& terms, std::span<float> row) const override {
    hash_terms(terms, [](TermId) { return 1.0F; }, row);
  }
};

void scale(std::span<float> row, float factor) {
  for (float& value : row) value *= factor;
}
float length_of(std::span<const float> row) {
  return std::sqrt(std::max(0.0F, -distance(Metric::ip, row, row)));
}

class Trained : public Local {
 public:
  Trained(std::uint32_t version, Basis basis)
      : version_(version),
        basis_(std::move(basis)),
        identity_(identity_of(version, basis_.save())) {}

  std::string identity() const override { return identity_; }
  std::string save() const override { return header_of(version_) + basis_.save(); }
  std::uint32_t version() const override { return version_; }
  std::uint32_t trained_on() const override { return basis_.documents(); }
  bool wants_training(const TextIndex& text) const override {
    const double now = text.documents(), then = basis_.documents();
    if (now < kFirstTrainingChunks) return false;
    // Above the sample's size more of the same teaches nothing.
    if (then >= kTrainingChunksMax) return now < 0.7 * then;
    return now >= (now < kSmall ? 1.25 : 1.5) * then || now < 0.7 * then;
  }

  Result<> embed_question(const QuestionText& question, std::span<float> row) const override {
    VEXFS_ASSERT(row.size() == kLocalDimension);
    std::ranges::fill(row, 0.0F);
    basis_.project(question.terms, learnt(row));
    if (normalise(learnt(row))) scale(learnt(row), std::sqrt(kLearntShare));
    const auto weight_of = [&](TermId id) { return basis_.inverse_frequency(id); };
    if (hash_terms(question.terms, weight_of, hashed(row)))
      scale(hashed(row), std::sqrt(1 - kLearntShare));
    normalise(row);
    return {};
  }

 private:
  std::span<float> learnt(std::span<float> row) const { return row.first(basis_.dimension()); }
  static std::span<float> hashed(std::span<float> row) {
    return row.subspan(kBasisDimensionMax, kHashedDimension);
  }

  void embed_document(const TermBag& terms, std::span<float> row) const override {
    std::ranges::fill(row, 0.0F);
    const float weight = basis_.project(terms, learnt(row));
    if (weight == 0) return;
    const float gain = kPivot * weight / ((1 - kPivot) * basis_.weight_median() + kPivot * weight);
    const float projected = length_of(learnt(row));
    if (projected > 0)
      scale(learnt(row), std::sqrt(kLearntShare) * gain / std::sqrt(projected * weight));
    hash_terms(terms, [](TermId) { return 1.0F; }, hashed(row));
    scale(hashed(row), std::sqrt(1 - kLearntShare) * gain);
    const float rest = length_of(row);
    row.back() = std::sqrt(std::max(0.0F, 1 - rest * rest));
    normalise(row);
  }

  const std::uint32_t version_;
  const Basis basis_;
  const std::string identity_;
};

}  // namespace

LocalEmbedder::Ref LocalEmbedder::untrained() {
  return std::make_shared<Untrained>();
}

Result<LocalEmbedder::Ref> LocalEmbedder::load(Bytes saved) {
  SavedHeader header;
  if (saved.size() < sizeof header) return fail(EUCLEAN, "local embedder: short");
  std::memcpy(&header, saved.data(), sizeof header);
  if (header.magic != kMagic) return fail(EUCLEAN, "local embedder: its header does not check");
  if (header.version == 0 && saved.size() == sizeof header) return untrained();
  VEXFS_TRY(Basis basis, Basis::load(saved.subspan(sizeof header)));
  return std::make_shared<Trained>(header.version, std::move(basis));
}

Result<LocalEmbedder::Ref> LocalEmbedder::train(const TextIndex& text, Stop stop) const {
  static Histogram& took =
      metrics::histogram("vexfs_embed_training_seconds", "Training the local embedder");
  Timed timed(took);
  VEXFS_TRY(Basis basis, train_basis(text, stop));
  return std::make_shared<Trained>(version() + 1, std::move(basis));
}

Result<std::shared_ptr<const Embedder>> LocalEmbedder::trained(const TextIndex& text,
                                                               Stop stop) const {
  VEXFS_TRY(Ref next, train(text, stop));
  return next;
}

}  // namespace vexfs
