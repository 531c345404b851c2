// SPDX-License-Identifier: Apache-2.0
// Goal: equal words become equal terms, in every script, and no bytes are too strange.
// Method: known words; hostile bytes; the whole against its parts.
#include "search/terms.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "search/words.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/terms");

namespace {
std::vector<std::string> folded_words(std::string_view text) {
  std::vector<std::string> words;
  for_each_word(text, [&](const FoundWord& word) { words.emplace_back(word.folded); });
  return words;
}
std::uint32_t count_of(const TermBag& bag, TermKind kind, std::string_view text) {
  for (const Term& term : bag.terms)
    if (term.id == term_id(kind, text)) return term.count;
  return 0;
}
using Words = std::vector<std::string>;
}  // namespace

TEST_CASE("words are folded: case, accents, width, ligatures, marks of other scripts kept") {
  CHECK(folded_words("Hello, WORLD!") == Words{"hello", "world"});
  CHECK(folded_words("Caf\u00e9 cafe\u0301 stra\u00dfe \uff21\uff22 \ufb01n") ==
        Words{"cafe", "cafe", "strasse", "ab", "fin"});
  CHECK(folded_words("\u041c\u043e\u0441\u043a\u0432\u0430") ==
        Words{"\u043c\u043e\u0441\u043a\u0432\u0430"});
  CHECK(folded_words("\u0939\u093f\u0928\u094d\u0926\u0940") ==
        Words{"\u0939\u093f\u0928\u094d\u0926\u0940"});
  CHECK(folded_words("don't 'quoted' o\u2019clock") == Words{"don't", "quoted", "o'clock"});
  CHECK(folded_words("x86 3.14 -7") == Words{"x86", "3", "14", "7"});
}

TEST_CASE("identifiers are found whole and in parts") {
  CHECK(folded_words("getUserName") == Words{"getusername", "get", "user", "name"});
  CHECK(folded_words("get_user_name") == Words{"getusername", "get", "user", "name"});
  CHECK(folded_words("HTTPServer") == Words{"httpserver", "http", "server"});
  CHECK(folded_words("__init__ _x") == Words{"init", "x"});
  CHECK(folded_words("std::string_view") == Words{"std", "stringview", "string", "view"});
  CHECK(folded_words("___ '' _'") == Words{});
}

TEST_CASE("a CJK run gives its pairs, a lone character itself") {
  CHECK(folded_words("\u4e1c\u4eac\u90fd abc \u5c71") ==
        Words{"\u4e1c\u4eac", "\u4eac\u90fd", "abc", "\u5c71"});
  CHECK(folded_words("\ud55c\uad6d\uc5b4") == Words{"\ud55c\uad6d", "\uad6d\uc5b4"});
}

TEST_CASE("a text becomes stems, surfaces and bigrams; stop words count as nothing") {
  const TermBag bag = terms_of("The keys are rotating; rotate the key");
  CHECK(count_of(bag, TermKind::stem, "key") == 2);
  CHECK(count_of(bag, TermKind::stem, "rotat") == 2);
  CHECK(count_of(bag, TermKind::stem, "the") == 0);
  CHECK(count_of(bag, TermKind::surface, "rotating") == 1);
  CHECK(count_of(bag, TermKind::surface, "rotate") == 1);
  CHECK(count_of(bag, TermKind::surface, "key") == 0);  // its stem says the same
  CHECK(count_of(bag, TermKind::bigram, "key rotat") == 1);
  CHECK(count_of(bag, TermKind::bigram, "rotat key") == 1);
  CHECK(bag.length == 4);
  for (std::size_t i = 1; i < bag.terms.size(); ++i) CHECK(bag.terms[i - 1].id < bag.terms[i].id);
}

TEST_CASE("a title counts twice, a text that is one long line does not") {
  const TermBag bag = terms_of("\nKeys\nof the city", {.first_line_twice = true});
  CHECK(count_of(bag, TermKind::stem, "key") == 2);
  CHECK(count_of(bag, TermKind::stem, "citi") == 1);
  std::string line;
  for (int i = 0; i < 100; ++i) line += "city ";
  CHECK(count_of(terms_of(line, {.first_line_twice = true}), TermKind::stem, "citi") == 100);
}

TEST_CASE("words know where they stand") {
  const std::string text = "The K\u00e9ys, turned";
  const auto words = words_of(text);
  REQUIRE(words.size() == 2);
  CHECK(text.substr(words[0].offset, words[0].bytes) == "K\u00e9ys");
  CHECK(words[0].stem == term_id(TermKind::stem, "key"));
  CHECK(words[1].stem == term_id(TermKind::stem, "turn"));
}

TEST_CASE("no bytes are too strange: invalid UTF-8 parts words, long runs are cut") {
  CHECK(folded_words("a\xff"
                     "b \xc3") == Words{"a", "b"});
  CHECK(folded_words(std::string("x\0y", 3)) == Words{"x", "y"});
  const auto run = folded_words(std::string(1 << 20, 'a'));
  REQUIRE(run.size() == 1);
  CHECK(run[0].size() == kWordBytesMax);
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string noise(1 + random() % 300, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    const TermBag bag = terms_of(noise);
    std::uint32_t stems = 0;
    for (const Term& term : bag.terms) {
      CHECK(term.count > 0);
      if (term.kind == TermKind::stem) stems += term.count;
    }
    CHECK(stems == bag.length);
    for (const Word& word : words_of(noise)) CHECK(word.offset + word.bytes <= noise.size());
  }
}

TEST_SUITE_END();
