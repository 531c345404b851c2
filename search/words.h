// SPDX-License-Identifier: Apache-2.0
// Words: the runs of a text that mean something, folded so that equal words are equal bytes.
// Invalid UTF-8 parts words. Threads: any.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace vexfs {

struct FoundWord {
  // word: a run of letters, digits and marks     part: of an identifier, in its order
  // whole: an identifier, before its parts       cjk: two neighbours (or a lone one) of a CJK run
  enum class Kind : std::uint8_t { word, whole, part, cjk };
  Kind kind = Kind::word;
  std::string_view folded;          // lower case, no diacritics, no '_'; at most kWordBytesMax
  std::uint32_t at = 0, bytes = 0;  // in the text
};
inline constexpr std::size_t kWordBytesMax = 128;  // of a longer word only the beginning counts

// Calls `visit` for each word in the order of the text; `folded` is valid during the call.
void for_each_word(std::string_view text, FunctionRef<void(const FoundWord&)> visit);

// Words that say nothing about what a text is about.
bool is_stop_word(std::string_view folded);

}  // namespace vexfs
