// SPDX-License-Identifier: Apache-2.0
// LocalEmbedder: vectors learnt from the volume's own text and nothing else.
//
//   vector (768) = [ sqrt(a) learnt, 512 | sqrt(1-a) hashed, 255 | pad, 1 ]
//
// `hashed` is a signed hash of stems and character n-grams, so vectors work from the first file;
// `learnt` is a projection on a basis trained on the chunks present (none before the first
// training: then a = 0 and the whole vector is hashed). `pad` fills the length of a document to 1
// and is 0 in a question.
//
// Threads: any; an object never changes.
#pragma once
#include <memory>
#include <string>

#include "base/bytes.h"
#include "search/embedder.h"

namespace vexfs {

inline constexpr std::uint32_t kLocalDimension = 768;

class LocalEmbedder : public Embedder {
 public:
  using Ref = std::shared_ptr<const LocalEmbedder>;

  // Version 0: nothing learnt.
  static Ref untrained();
  // What save() wrote. EUCLEAN.
  static Result<Ref> load(Bytes saved);
  virtual std::string save() const = 0;

  // Raised by one with each training.
  virtual std::uint32_t version() const = 0;
  // Whether a version trained on `text` as it is now would serve better: it has grown, or lost
  // much, since this one was trained.
  virtual bool wants_training(const TextIndex& text) const = 0;
  // Learns from the chunks of `text` (a sample of at most 100,000): seconds, on one thread.
  // EAGAIN while there is too little to learn from.
  virtual Result<Ref> train(const TextIndex& text) const = 0;
};

}  // namespace vexfs
