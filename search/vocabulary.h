// SPDX-License-Identifier: Apache-2.0
// Vocabulary: the stems and surfaces of a text index, numbered as they came. A term is never
// forgotten; one that stands nowhere any more has the document frequency 0.
//
// Threads: readers any while nobody writes (the index's lock).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "search/postings.h"
#include "search/terms.h"

namespace vexfs {

using TermNumber = std::uint32_t;

class Vocabulary {
 public:
  struct Entry {
    TermId id = 0;
    std::uint64_t text_at = 0;  // in the letters; of stems alone
    std::uint16_t text_size = 0;
    TermKind kind = TermKind::stem;
    std::uint32_t documents = 0;  // that hold it and are not erased
    Postings postings;
  };

  // The number of a term, which is new where it was not there.
  TermNumber number_of(TermId id, TermKind kind, std::string_view text);
  const Entry* find(TermId id) const;
  Entry& operator[](TermNumber number) { return entries_[number]; }
  const Entry& operator[](TermNumber number) const { return entries_[number]; }
  std::string_view text(const Entry& entry) const {
    return std::string_view(letters_).substr(entry.text_at, entry.text_size);
  }
  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t memory_bytes() const;

 private:
  static constexpr TermNumber kFree = 0xffffffffu;
  std::size_t place_of(TermId id) const;
  void widen();
  std::vector<Entry> entries_;
  std::string letters_;
  std::vector<TermNumber> table_ = std::vector<TermNumber>(64, kFree);  // a power of two
};

}  // namespace vexfs
