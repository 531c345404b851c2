// SPDX-License-Identifier: Apache-2.0
// TextIndexState: what the parts of the text index share.
//
//   vocabulary   term -> slots           for searching
//   documents    slot -> terms, bigrams  for bigrams, erasing, training, saving
//
// A bigram has no postings: a chunk that holds it holds both of its stems, so it is looked up in
// the documents that do. That is a tenth of the memory, and the frequencies are exact.
//
// Threads: as `mutex` says. Only text_index*.cc.
#pragma once
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "search/text_index.h"
#include "search/vocabulary.h"

namespace vexfs {

// One chunk's terms: varints of (step from the number before, count), then the lower halves of
// its bigrams' ids, ascending, one for each time the bigram stands there.
struct Document {
  std::unique_ptr<std::byte[]> bytes;  // none: absent or erased
  std::uint32_t length = 0;            // stems, as often as they stand there
  std::uint32_t terms_bytes = 0;
  std::uint32_t bigrams = 0;

  bool present() const { return bytes != nullptr; }

  // visit(TermNumber, count)
  template <class Visit>
  void for_each_term(Visit visit) const {
    const std::byte* const end = bytes.get() + terms_bytes;
    TermNumber number = 0;
    for (const std::byte* at = bytes.get(); at != end;) {
      std::uint32_t step = 0, count = 0;
      at = take_varint(take_varint(at, step), count);
      number += step;
      visit(number, count);
    }
  }
  std::uint32_t bigram(std::uint32_t index) const {
    std::uint32_t half = 0;
    std::memcpy(&half, bytes.get() + terms_bytes + sizeof half * index, sizeof half);
    return half;
  }
  // How often the bigram stands there.
  std::uint32_t count_of(std::uint32_t half) const;
};

struct NumberedTerm {
  TermNumber number = 0;
  std::uint32_t count = 0;
};

struct TextIndexState {
  mutable SharedMutex mutex{Rank::leaf};
  Vocabulary vocabulary GUARDED_BY(mutex);
  std::vector<Document> documents GUARDED_BY(mutex);  // by slot
  std::uint32_t present GUARDED_BY(mutex) = 0;
  std::uint64_t length GUARDED_BY(mutex) = 0;  // of all that are present
  std::size_t bytes GUARDED_BY(mutex) = 0;     // of Document::bytes
  std::uint32_t erased GUARDED_BY(mutex) = 0;  // still in postings

  // `terms` in ascending order of number, `bigrams` ascending.
  void put(Slot slot, std::uint32_t its_length, std::span<const NumberedTerm> terms,
           std::span<const std::uint32_t> bigrams) REQUIRES(mutex);
  void take_out(Slot slot) REQUIRES(mutex);
  void forget_erased() REQUIRES(mutex);
};

inline std::uint32_t half_of(TermId bigram) {
  return static_cast<std::uint32_t>(bigram);
}

}  // namespace vexfs
