// SPDX-License-Identifier: Apache-2.0
#include "search/terms.h"

#include <libstemmer.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/assert.h"
#include "base/hash.h"
#include "search/words.h"

namespace vexfs {

namespace {

constexpr std::size_t kTitleBytesMax = 300;  // a longer first line is the text itself

// Snowball's English (Porter2). A stemmer serves one thread, so each has its own.
std::string_view stem_of(std::string_view folded) {
  struct Close {
    void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
  };
  thread_local const std::unique_ptr<sb_stemmer, Close> stemmer(sb_stemmer_new("english", "UTF_8"));
  VEXFS_ASSERT(stemmer != nullptr);
  const sb_symbol* stem =
      sb_stemmer_stem(stemmer.get(), reinterpret_cast<const sb_symbol*>(folded.data()),
                      static_cast<int>(folded.size()));
  VEXFS_ASSERT(stem != nullptr);  // only without memory
  return {reinterpret_cast<const char*>(stem),
          static_cast<std::size_t>(sb_stemmer_length(stemmer.get()))};
}

class BagMaker {
 public:
  // The words of `text` follow those added before, but make no bigram with them.
  void add(std::string_view text) {
    before_.clear();
    for_each_word(text, [&](const FoundWord& word) { add_word(word); });
  }

  TermBag finish() {
    std::ranges::sort(found_, {}, &Term::id);
    TermBag bag;
    for (const Term& term : found_) {
      if (term.kind == TermKind::stem) bag.length += term.count;
      if (!bag.terms.empty() && bag.terms.back().id == term.id) {
        bag.terms.back().count += term.count;
        continue;
      }
      Term kept = term;
      kept.at = static_cast<std::uint32_t>(bag.letters.size());
      bag.letters.append(letters_, term.at, term.size);
      bag.terms.push_back(kept);
    }
    return bag;
  }

 private:
  void add_word(const FoundWord& word) {
    if (is_stop_word(word.folded)) return;
    const bool cjk = word.kind == FoundWord::Kind::cjk;
    const std::string_view stem = cjk ? word.folded : stem_of(word.folded);
    add_term(TermKind::stem, stem);
    if (stem != word.folded) add_term(TermKind::surface, word.folded);
    if (word.kind == FoundWord::Kind::whole || cjk) return;  // pairs of pairs say nothing new
    if (!before_.empty()) {
      before_ += ' ';
      before_ += stem;
      add_term(TermKind::bigram, before_);
    }
    before_ = stem;
  }

  void add_term(TermKind kind, std::string_view text) {
    found_.push_back({.id = term_id(kind, text),
                      .at = static_cast<std::uint32_t>(letters_.size()),
                      .size = static_cast<std::uint16_t>(text.size()),
                      .kind = kind,
                      .count = 1});
    letters_ += text;
  }

  std::vector<Term> found_;
  std::string letters_;
  std::string before_;  // the stem before; empty at the beginning
};

}  // namespace

TermId term_id(TermKind kind, std::string_view text) {
  return hash64(as_bytes(text), static_cast<std::uint64_t>(kind));
}

TermBag terms_of(std::string_view text, TermOptions options) {
  BagMaker maker;
  maker.add(text);
  if (options.first_line_twice) {
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin != std::string_view::npos) {
      const std::string_view line = text.substr(begin, text.find('\n', begin) - begin);
      if (line.size() <= kTitleBytesMax) maker.add(line);
    }
  }
  return maker.finish();
}

float inverse_frequency(std::uint32_t documents, std::uint32_t holding) {
  const auto all = static_cast<float>(documents), with = static_cast<float>(holding);
  return std::log1p(std::max(0.0F, all - with + 0.5F) / (with + 0.5F));
}

std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  for_each_word(text, [&](const FoundWord& word) {
    if (is_stop_word(word.folded)) return;
    const bool cjk = word.kind == FoundWord::Kind::cjk;
    words.push_back({.stem = term_id(TermKind::stem, cjk ? word.folded : stem_of(word.folded)),
                     .offset = word.at,
                     .bytes = word.bytes});
  });
  return words;
}

}  // namespace vexfs
