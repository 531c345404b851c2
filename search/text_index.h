// SPDX-License-Identifier: Apache-2.0
// TextIndex: which chunk (slot) holds which terms, ranked by BM25.
//
//   score = .85 BM25(stems and surfaces) + .15 BM25(bigrams)      k1 1.5, b .75
//
// A slot is added once and erased at most once; erased slots neither match nor count. Equal
// content gives equal scores, in whatever order slots came.
//
// Threads: any reader; one writer at a time (add, erase, load). No lock is held while `accept`
// runs. Saved in immutable pieces of consecutive slots; nothing here touches the volume.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "search/terms.h"
#include "vector/rows.h"

namespace vexfs {

struct ScoredSlot {
  Slot slot = 0;
  float score = 0;  // higher is better
};

struct TextIndexState;

class TextIndex {
 public:
  using Accept = FunctionRef<bool(Slot)>;

  TextIndex();
  ~TextIndex();
  TextIndex(const TextIndex&) = delete;
  TextIndex& operator=(const TextIndex&) = delete;

  // Slots may come in any order, but are fastest ascending. A slot that is present is a bug.
  void add(Slot slot, const TermBag& terms);
  // Nothing happens where the slot is absent or erased.
  void erase(Slot slot);

  std::uint32_t documents() const;                 // not erased
  std::uint32_t document_frequency(TermId) const;  // of them
  std::size_t memory_bytes() const;

  // The k best slots that share a term with the question and that `accept` takes, best first,
  // equal scores by slot. `accept` is asked from the best on, only until k have passed.
  std::vector<ScoredSlot> search(const TermBag& question, std::uint32_t k, Accept accept) const;
  // The scores that search() would give these slots, 0 for no match; both spans of equal size.
  void score(const TermBag& question, std::span<const Slot> slots, std::span<float> scores) const;

  // The question with each unknown stem replaced by the most frequent one that is a typing error
  // away (one deletion on either side) and stands in a slot that `accept` takes.
  TermBag corrected(const TermBag& question, Accept accept) const;

  // The stems of a slot, for training; false when it is absent or erased.
  struct Stem {
    TermId id = 0;
    std::uint32_t count = 0;
  };
  bool stems(Slot slot, std::vector<Stem>& into) const;
  // All that add() was given, to be added elsewhere or embedded: the stems, ascending by id, have
  // their letters; bigrams have half their ids. False when it is absent or erased.
  bool bag(Slot slot, TermBag& into) const;
  // The stems' letters; empty when it is absent or erased.
  std::vector<std::string> stem_texts(Slot slot) const;
  Slot slots_end() const;  // no slot from here on is present

  // The slots [from, to) as bytes, erased ones as absent. from <= to.
  std::string save(Slot from, Slot to) const;
  // Adds what save() wrote; pieces come in ascending order and leave no gap. EUCLEAN, and nothing
  // is added, for bytes that save() did not write, or that another kTermsVersion wrote.
  Result<> load(Bytes piece);

 private:
  std::unique_ptr<TextIndexState> state_;
};

}  // namespace vexfs
