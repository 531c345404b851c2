// SPDX-License-Identifier: Apache-2.0
#include "search/model2vec_embedder.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/assert.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "base/text.h"
#include "search/chunker.h"
#include "search/safetensors.h"
#include "search/wordpiece.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::size_t kIdsMax = 512;  // of a text, as the models were made

Result<std::string> content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ENOENT, "model2vec: model.safetensors or tokenizer.json is not there");
  std::string content(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return fail(EIO, "model2vec: the model cannot be read");
  return content;
}

class Model2Vec final : public Embedder {
 public:
  // `file` moves with its tensors; they are taken from it afterwards.
  static Result<std::shared_ptr<const Embedder>> make(const std::string& name, std::string file,
                                                      std::string_view tokenizer) {
    const std::uint64_t digest = hash64(as_bytes(file), hash64(as_bytes(tokenizer)));
    auto model = std::make_shared<Model2Vec>();
    VEXFS_TRY(model->pieces_, WordPiece::parse(tokenizer));
    VEXFS_TRY(model->file_, Safetensors::parse(std::move(file)));
    VEXFS_CHECK(model->take_tensors());
    model->identity_ = format("{} model2vec model={:016x} dimension={} chunker={}", name, digest,
                              model->dimension_, kChunkerVersion);
    return model;
  }

  std::uint32_t dimension() const override { return dimension_; }
  std::string identity() const override { return identity_; }
  bool reads_text() const override { return true; }

  Result<> embed_documents(std::span<const DocumentText> documents,
                           std::span<float> rows) const override {
    VEXFS_ASSERT(rows.size() == documents.size() * dimension_);
    for (std::size_t i = 0; i < documents.size(); ++i)
      embed(documents[i].text, rows.subspan(i * dimension_, dimension_));
    return {};
  }
  Result<> embed_question(const QuestionText& question, std::span<float> row) const override {
    VEXFS_ASSERT(row.size() == dimension_);
    embed(question.text, row);
    return {};
  }

 private:
  Result<> take_tensors() {
    VEXFS_TRY(rows_, file_.tensor("embeddings"));
    if (rows_.shape.size() != 2 || rows_.shape[1] == 0 || rows_.shape[1] > kDimensionMax ||
        rows_.type == Tensor::Type::i32 || rows_.type == Tensor::Type::i64)
      return fail(EINVAL, "model2vec: embeddings of another form");
    dimension_ = static_cast<std::uint32_t>(rows_.shape[1]);
    if (auto weights = file_.tensor("weights")) {
      if (weights->shape.size() != 1 || weights->type == Tensor::Type::i32 ||
          weights->type == Tensor::Type::i64)
        return fail(EINVAL, "model2vec: weights of another form");
      weights_ = *std::move(weights);
    }
    if (auto mapping = file_.tensor("mapping")) {
      if (mapping->shape.size() != 1 ||
          (mapping->type != Tensor::Type::i32 && mapping->type != Tensor::Type::i64))
        return fail(EINVAL, "model2vec: a mapping of another form");
      mapping_ = *std::move(mapping);
    }
    return {};
  }

  void embed(std::string_view text, std::span<float> row) const {
    static Histogram& took =
        metrics::histogram("vexfs_embed_seconds", "Embedding one text", "embedder=\"model2vec\"");
    Timed timed(took);
    std::ranges::fill(row, 0.0F);
    for (const std::uint32_t id : pieces_.ids(text, kIdsMax)) {
      std::uint64_t at = id;
      if (mapping_) {
        if (id >= mapping_->values()) continue;
        at = static_cast<std::uint64_t>(mapping_->integer(id));
      }
      if (at >= rows_.shape[0]) continue;
      const float weight = weights_ && id < weights_->values() ? weights_->value(id) : 1;
      for (std::size_t i = 0; i < dimension_; ++i)
        row[i] += weight * rows_.value(at * dimension_ + i);
    }
    normalise(row);  // so the mean need not be divided for
  }

  WordPiece pieces_;
  Safetensors file_;
  Tensor rows_;
  std::optional<Tensor> weights_, mapping_;
  std::uint32_t dimension_ = 0;
  std::string identity_;
};

}  // namespace

Result<std::shared_ptr<const Embedder>> load_model2vec(const std::string& name,
                                                       const std::string& folder) {
  VEXFS_TRY(std::string model, content_of(folder + "/model.safetensors"));
  VEXFS_TRY(const std::string tokenizer, content_of(folder + "/tokenizer.json"));
  return Model2Vec::make(name, std::move(model), tokenizer);
}

}  // namespace vexfs
