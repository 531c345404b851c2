// SPDX-License-Identifier: Apache-2.0
// WordPiece: text into the ids of a vocabulary, as BERT's tokenizer does (Devlin et al., 2018; the
// `tokenizers` library of Hugging Face): cleaned, lower case, without accents, CJK characters and
// punctuation alone, then the longest piece that the vocabulary has, again and again.
// Threads: values; any reader.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace vexfs {

class WordPiece {
 public:
  // `json`: tokenizer.json. EINVAL: it is none, or of another kind (BPE, Unigram).
  static Result<WordPiece> parse(std::string_view json);

  // At most `ids_max`; words that the vocabulary cannot spell are left out.
  std::vector<std::uint32_t> ids(std::string_view text, std::size_t ids_max) const;
  std::size_t size() const { return ids_.size(); }

 private:
  void add_word(std::string_view word, std::vector<std::uint32_t>& into) const;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> ids_;
  std::string continues_ = "##";
  std::size_t letters_max_ = 100;  // of a word
  bool clean_ = true, lower_ = true, accents_ = false, split_cjk_ = true;
};

}  // namespace vexfs
