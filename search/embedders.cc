// SPDX-License-Identifier: Apache-2.0
#include "search/embedders.h"

#include "search/model2vec_embedder.h"

namespace vexfs {

namespace {

constexpr std::string_view kModel = "model2vec", kEndpoint = "openai";

std::string rest_of(const std::string& spec) {
  const std::size_t colon = spec.find(':');
  return colon == std::string::npos ? "" : spec.substr(colon + 1);
}

OpenAiOptions endpoint_options(const EmbedderOptions& options) {
  OpenAiOptions endpoint{.name = std::string(kEndpoint), .url = rest_of(options.spec)};
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  if (!options.model.empty()) endpoint.model = options.model;
  endpoint.key_file = options.key_file;
  endpoint.document_prefix = options.document_prefix;
  endpoint.question_prefix = options.question_prefix;
  return endpoint;
}

}  // namespace

Embedders::Embedders(const EmbedderOptions& options)
    : spec_(options.spec),
      default_name_(options.spec.substr(0, options.spec.find(':'))),
      endpoint_options_(endpoint_options(options)),
      endpoint_dimension_(options.dimension) {}

Result<> Embedders::open() {
  if (spec_ == "local" || spec_ == "none") return {};
  const std::string rest = rest_of(spec_);
  if (default_name_ == kModel && !rest.empty()) {
    VEXFS_TRY(model_, load_model2vec(default_name_, rest));
    return {};
  }
  if (default_name_ == kEndpoint && (rest.starts_with("http://") || rest.starts_with("https://"))) {
    endpoint_ = open_endpoint(endpoint_options_);
    return {};
  }
  return fail(EINVAL, "embedder: local, none, model2vec:DIR or openai:URL");
}

std::shared_ptr<const Embedder> Embedders::first(const CollectionSettings& settings) const {
  const std::string name = name_of(settings);
  if (name == "local") return local_;
  if (name == kModel) return model_;
  if (name != kEndpoint || !endpoint_) return nullptr;
  std::uint32_t dimension = 0;
  {
    Lock lock(mutex_);
    dimension = endpoint_dimension_;
  }
  if (dimension == 0) {
    const auto asked = dimension_of(*endpoint_);
    if (!asked) return nullptr;
    dimension = *asked;
    Lock lock(mutex_);
    endpoint_dimension_ = dimension;
  }
  return make_embedder(endpoint_, dimension);
}

std::shared_ptr<const Embedder> Embedders::of_identity(const std::string& identity,
                                                       std::uint32_t dimension) const {
  if (local_->identity() == identity) return local_;
  if (model_ && model_->identity() == identity) return model_;
  if (endpoint_ && identity_of(endpoint_options_, dimension) == identity)
    return make_embedder(endpoint_, dimension);
  return nullptr;
}

}  // namespace vexfs
