// SPDX-License-Identifier: Apache-2.0
// Goal: one order out of two lists, a noise level, snippets that fit. Method: known values,
// hostile texts at every size.
#include "search/ranking.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "search/utf8.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/ranking");

TEST_CASE("both scores count for every candidate, in .6 to .4 of the best") {
  const ScoredSlot by_text[] = {{.slot = 1, .score = 10}, {.slot = 2, .score = 5}};
  const ScoredSlot by_vector[] = {{.slot = 3, .score = 0.8F}, {.slot = 2, .score = 0.4F}};
  std::vector<Slot> bm25_asked, cosine_asked;
  const auto bm25_of = [&](std::span<const Slot> slots, std::span<float> scores) {
    bm25_asked.assign(slots.begin(), slots.end());
    std::ranges::fill(scores, 2.0F);
  };
  const auto cosine_of = [&](std::span<const Slot> slots, std::span<float> scores) {
    cosine_asked.assign(slots.begin(), slots.end());
    std::ranges::fill(scores, 0.2F);
  };
  const auto fused = fuse(by_text, by_vector, bm25_of, cosine_of);
  REQUIRE(fused.size() == 3);
  CHECK(bm25_asked == std::vector<Slot>{3});
  CHECK(cosine_asked == std::vector<Slot>{1});
  CHECK(fused[0].slot == 1);
  CHECK(fused[0].score == doctest::Approx(0.6 + 0.4 * 0.2 / 0.8));
  CHECK(fused[1].slot == 3);
  CHECK(fused[1].score == doctest::Approx(0.6 * 2 / 10 + 0.4));
  CHECK(fused[2].slot == 2);
  CHECK(fused[2].bm25 == 5);
  CHECK(fused[2].cosine == doctest::Approx(0.4));
}

TEST_CASE("one list alone, none, and equal scores have one order") {
  const auto none_of = [](std::span<const Slot>, std::span<float> scores) {
    std::ranges::fill(scores, 0.0F);
  };
  CHECK(fuse({}, {}, none_of, none_of).empty());
  const ScoredSlot equal[] = {{.slot = 9, .score = 1}, {.slot = 4, .score = 1}};
  const auto fused = fuse(equal, {}, none_of, none_of);
  REQUIRE(fused.size() == 2);
  CHECK(fused[0].slot == 4);
  CHECK(fused[0].score == doctest::Approx(0.6));
  CHECK(fuse({}, equal, none_of, none_of)[0].score == doctest::Approx(0.4));
}

TEST_CASE("the noise level is a high quantile, and random questions come from the chunks") {
  CHECK(noise_level({}) == 1);
  CHECK(noise_level({0.25F}) == 0.25F);
  std::vector<float> cosines;
  for (int i = 1000; i > 0; --i) cosines.push_back(static_cast<float>(i) / 1000);
  CHECK(noise_level(cosines) == doctest::Approx(0.999));

  TextIndex index;
  CHECK(random_questions(index, 5, 1).empty());
  index.add(0, terms_of("rotating the keys"));
  index.add(3, terms_of("of the and"));
  const auto questions = random_questions(index, 5, 1);
  CHECK(questions == random_questions(index, 5, 1));
  for (const std::string& question : questions)
    CHECK((question == "rotat key" || question == "key rotat"));
  index.erase(0);
  CHECK(random_questions(index, 5, 1).empty());
}

TEST_CASE("a snippet shows the words asked for, from where their line begins") {
  const std::string text =
      "Introduction to locks.\n\nThere are many locks.\nTo rotate the keys, stop the service "
      "first.\n"
      "Then start it again.";
  const Snippet snippet = snippet_of(text, terms_of("rotating keys"));
  CHECK(snippet.text.starts_with("To rotate the keys, stop"));
  CHECK(snippet.line == 3);
  CHECK(snippet_of(text, terms_of("nothing of that"))
            .text.starts_with("Introduction to locks. There"));
  CHECK(snippet_of("", terms_of("keys")).text.empty());
  CHECK(snippet_of("\n\n\n", terms_of("keys")).text.empty());
}

TEST_CASE("a snippet is one line, valid and short, whatever the text is") {
  std::mt19937 random(17);
  const TermBag question = terms_of("rotate the keys \u6771\u4eac");
  for (int round = 0; round < 300; ++round) {
    static const char* const kPieces[] = {
        "keys ", "\n",     "rotating.", " ",      "\u6771\u4eac\u90fd",
        "\xff",  "\t\r\n", "x",         "lock! ", "\u00e9"};
    std::string text;
    for (std::size_t i = 0, n = random() % 120; i < n; ++i)
      text += kPieces[random() % std::size(kPieces)];
    for (const std::size_t bytes : {0, 1, 3, 20, 160}) {
      const Snippet snippet = snippet_of(text, question, bytes);
      CHECK(snippet.text.size() <= bytes);
      CHECK(is_utf8(snippet.text));
      CHECK(snippet.text.find('\n') == std::string::npos);
    }
  }
  const std::string one_line(8 << 20, 'x');
  CHECK(snippet_of(one_line, question).text.size() == 160);
}

TEST_SUITE_END();
