// SPDX-License-Identifier: Apache-2.0
// LocalEmbedder: vectors made of the volume's own text and nothing else.
//
// Version 0, which has learnt nothing: a signed hash of stems and character n-grams, so vectors
// work from the first file. Rarity weighs in the question alone, so no vector grows stale.
//
// Threads: any; an object never changes.
#pragma once
#include <memory>
#include <string>

#include "search/embedder.h"

namespace vexfs {

inline constexpr std::uint32_t kLocalDimension = 768;

class LocalEmbedder : public Embedder {
 public:
  using Ref = std::shared_ptr<const LocalEmbedder>;
  static Ref untrained();
  // Of what the embedder has learnt; 0: nothing.
  virtual std::uint32_t version() const = 0;
};

// Embedder::identity() of a version.
std::string local_identity(std::uint32_t version);

}  // namespace vexfs
