// SPDX-License-Identifier: Apache-2.0
// Terms: what text is made of, for documents and questions alike.
//
// Words are runs of Unicode letters, digits and marks, case-folded and without diacritics that
// only decorate; a stop word counts as nothing. A word gives its stem (Porter2) and, where that
// differs, its surface. An identifier (camelCase, snake_case) gives itself and its parts. A run
// of CJK gives its overlapping pairs. Two stems in a row give a bigram.
//
// Always: the terms of a text depend on nothing but its bytes; invalid UTF-8 parts words and is
// otherwise ignored. Threads: any.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vexfs {

// Part of every embedder's identity and of the text index's format: raise it when the terms of
// any text change.
inline constexpr std::uint32_t kTermsVersion = 1;

enum class TermKind : std::uint8_t { stem = 0, surface = 1, bigram = 2 };

// XXH3-64 of the term's text, seeded by its kind. Two terms with one id are one term.
using TermId = std::uint64_t;
TermId term_id(TermKind kind, std::string_view text);

struct Term {
  TermId id = 0;
  std::uint32_t at = 0;  // of its text in TermBag::letters
  std::uint16_t size = 0;
  TermKind kind = TermKind::stem;
  std::uint32_t count = 0;  // at least 1
};

// The terms of one text, each once, in ascending order of id.
struct TermBag {
  std::vector<Term> terms = {};
  std::string letters = {};
  std::uint32_t length = 0;  // sum of the counts of stems

  std::string_view text(const Term& term) const {
    return std::string_view(letters).substr(term.at, term.size);
  }
  bool empty() const { return terms.empty(); }
};

struct TermOptions {
  bool first_line_twice = false;  // for the chunk a file begins with: its title, where it has one
};

TermBag terms_of(std::string_view text, TermOptions options = {});

// log(1 + (N - df + .5) / (df + .5)): how much a term says that `holding` of `documents` hold.
float inverse_frequency(std::uint32_t documents, std::uint32_t holding);

// The stems of one text in their order with the bytes they were made from; for snippets.
struct Word {
  TermId stem = 0;
  std::uint32_t offset = 0, bytes = 0;  // in the text
};
std::vector<Word> words_of(std::string_view text);

}  // namespace vexfs
