// SPDX-License-Identifier: Apache-2.0
// LocalEmbedder: vectors learnt from the volume's own text and nothing else (EMBEDDER).
//
//   version 0    [ hashed, 768 ]                                  works from the first file
//   version n    [ sqrt(a) learnt, 512 | sqrt(1-a) hashed, 255 | pad, 1 ]
//
// `hashed` is a signed hash of stems and character n-grams (hashed_terms.h); `learnt` a projection
// on a basis trained on the chunks present (basis.h). A document's parts are shorter than 1, the
// less it says; `pad` fills its length up, so that the cosine is a score that knows lengths. In a
// question pad is 0.
//
// An embedder never changes; train() makes the next version, whose vectors stand in a space of
// their own. Threads: any.
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

  static Ref untrained();
  // What save() wrote. EUCLEAN.
  static Result<Ref> load(Bytes saved);
  // Raised by one with each training; 0: nothing is learnt yet.
  virtual std::uint32_t version() const = 0;
  // wants_training(): it has grown by half (a quarter while small), or lost a third, since this
  // one was trained. train(): one thread's work for seconds (20 for 100,000 chunks, of more a
  // sample).
  Result<Ref> train(const TextIndex& text) const {
    return train(text, [] { return false; });
  }
  Result<Ref> train(const TextIndex& text, Stop stop) const;
  Result<std::shared_ptr<const Embedder>> trained(const TextIndex& text, Stop stop) const override;
};

}  // namespace vexfs
