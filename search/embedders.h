// SPDX-License-Identifier: Apache-2.0
// Embedders: those that the volume's owner defines, by the names that collections use: "local",
// "none", and the one of the mount, "model2vec" or "openai". A collection only names one, so no
// owner of a directory sends content anywhere or has a path read.
// Threads: any. first() may ask an endpoint: never on a thread that answers the kernel.
#pragma once
#include <memory>
#include <string>

#include "base/mutex.h"
#include "search/collection_settings.h"
#include "search/embedder_options.h"
#include "search/local_embedder.h"
#include "search/openai_embedder.h"

namespace vexfs {

class Embedders {
 public:
  explicit Embedders(const EmbedderOptions& options);
  // EINVAL: the spec names no embedder. Of a model: ENOENT, EINVAL.
  Result<> open();

  bool defines(const std::string& name) const {
    return name == "local" || name == "none" || name == default_name_;
  }
  std::string name_of(const CollectionSettings& settings) const {
    return settings.embedder.value_or(default_name_);
  }
  // What a collection begins with. Null for "none", and while an endpoint has not said its
  // dimension: text search alone.
  std::shared_ptr<const Embedder> first(const CollectionSettings& settings) const;
  // The one that has this identity now and is not learnt; null: none has.
  std::shared_ptr<const Embedder> of_identity(const std::string& identity,
                                              std::uint32_t dimension) const;
  // The name in an embedder's identity.
  static std::string_view name_in(std::string_view identity) {
    return identity.substr(0, identity.find(' '));
  }

 private:
  const std::string spec_, default_name_;
  const LocalEmbedder::Ref local_ = LocalEmbedder::untrained();
  std::shared_ptr<const Embedder> model_;  // model2vec
  std::shared_ptr<OpenAiEndpoint> endpoint_;
  OpenAiOptions endpoint_options_;
  mutable Mutex mutex_;
  mutable std::uint32_t endpoint_dimension_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
