// SPDX-License-Identifier: Apache-2.0
// Embedder: from text to vectors that may be compared by cosine.
//
// An embedder never changes: what is learnt later is a new embedder with another identity, and
// whoever holds vectors of the old one embeds again in the background (space_rebuild.h). So a
// space stores one identity, and vectors of two identities are never compared.
//
// Threads: any. Calls may take long (an endpoint): never on a thread that answers the kernel.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "base/result.h"
#include "search/terms.h"
#include "search/text_index.h"

namespace vexfs {

struct DocumentText {
  std::string_view text;  // empty where only the words are known (a space is made again)
  const TermBag& terms;
};

struct QuestionText {
  std::string_view text;
  const TermBag& terms;         // corrected, see TextIndex::corrected()
  const TextIndex& statistics;  // of the collection
};

class Embedder {
 public:
  virtual ~Embedder() = default;
  // 1 ..= 4096, of every vector.
  virtual std::uint32_t dimension() const = 0;
  // What a vector's comparability hangs on: name, version, dimension, chunker and terms version.
  // One line without TAB, at most 255 bytes.
  virtual std::string identity() const = 0;

  // One unit-length row of dimension() floats each, one after the other; all zero for a text
  // that has no vector (empty, unknown words only). EAGAIN: try later (an endpoint is down).
  virtual Result<> embed_documents(std::span<const DocumentText> documents,
                                   std::span<float> rows) const = 0;
  // As above for one question.
  virtual Result<> embed_question(const QuestionText& question, std::span<float> row) const = 0;

  // Whether documents are needed as text: words alone give no vectors.
  virtual bool reads_text() const { return false; }

  // --- for those that learn from the chunks they embed
  // What was learnt, to be kept beside the vectors; and from how many chunks (0: nothing).
  virtual std::string save() const { return {}; }
  virtual std::uint32_t trained_on() const { return 0; }
  // Whether a version trained on `text` as it is now would serve better.
  virtual bool wants_training(const TextIndex& /*text*/) const { return false; }
  // The next version. Takes seconds; EAGAIN: too little to learn from; ECANCELED: `stop` said so.
  using Stop = FunctionRef<bool()>;
  virtual Result<std::shared_ptr<const Embedder>> trained(const TextIndex& /*text*/,
                                                          Stop /*stop*/) const {
    return fail(EAGAIN, "embedder: it does not learn");
  }
};

}  // namespace vexfs
