// SPDX-License-Identifier: Apache-2.0
// Goal: options and JSON questions mean what INTERFACE says, and everything else is EINVAL.
// Method: known values, then every key with bad values, then each text cut at each length.
#include "search/question.h"

#include <doctest/doctest.h>

#include <ctime>
#include <string>

using namespace vexfs;

TEST_SUITE_BEGIN("search/question");

TEST_CASE("no options are the defaults") {
  const auto options = parse_options("");
  REQUIRE(options);
  CHECK(options->k == 10);
  CHECK(options->mode == Mode::automatic);
  CHECK(options->format == Format::text);
}

TEST_CASE("each option has its meaning") {
  const auto options = parse_options(
      "k=5,mode=text,ef=64,exact=1,chunks=1,name=*.md,type=md,larger=10k,smaller=3M,min=0.25,"
      "format=json");
  REQUIRE(options);
  CHECK(options->k == 5);
  CHECK(options->mode == Mode::text);
  CHECK(options->ef == 64);
  CHECK(options->exact);
  CHECK(options->chunks);
  CHECK(options->name == "*.md");
  CHECK(options->type == "md");
  CHECK(options->larger == 10 * 1024);
  CHECK(options->smaller == 3 * 1024 * 1024);
  CHECK(options->min == doctest::Approx(0.25));
  CHECK(options->format == Format::json);
}

TEST_CASE("times are ages or days") {
  const std::int64_t now = std::time(nullptr);
  const auto ages = parse_options("newer=7d,older=12h");
  REQUIRE(ages);
  CHECK(std::abs(*ages->newer - (now - 7 * 86400)) <= 2);
  CHECK(std::abs(*ages->older - (now - 12 * 3600)) <= 2);
  const auto day = parse_options("newer=2026-01-31");
  REQUIRE(day);
  const std::time_t seconds = *day->newer;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  CHECK(parts.tm_year == 126);
  CHECK(parts.tm_mon == 0);
  CHECK(parts.tm_mday == 31);
  CHECK(parts.tm_hour == 0);
}

TEST_CASE("escapes of values are decoded, no others exist") {
  const auto options = parse_options("name=a%2Cb%3a%2Fc%25,k=3");
  REQUIRE(options);
  CHECK(options->name == "a,b:/c%");
  CHECK(options->k == 3);
}

TEST_CASE("what is not an option is refused, never a different search") {
  for (const char* bad : {"k",
                          "k=",
                          "k=0",
                          "k=10001",
                          "k=-1",
                          "k=5x",
                          "k= 5",
                          "kk=5",
                          "K=5",
                          "mode=fast",
                          "mode=",
                          "mode=automatic",
                          "ef=0",
                          "exact=yes",
                          "exact=",
                          "chunks=2",
                          "name=",
                          "type=",
                          "newer=7",
                          "newer=d",
                          "newer=7y",
                          "newer=2026-02-30",
                          "newer=2026-13-01",
                          "newer=2026-1-01",
                          "older=-3d",
                          "larger=",
                          "larger=k",
                          "larger=1.5k",
                          "larger=10kb",
                          "larger=99999999999999T",
                          "min=",
                          "min=nan",
                          "min=inf",
                          "min=1e99",
                          "format=xml",
                          "k=5,",
                          ",k=5",
                          "k=5,,mode=text",
                          "k=5,k=6",
                          "name=50%",
                          "name=%20",
                          "name=%2",
                          "name=a%00"}) {
    CAPTURE(bad);
    const auto options = parse_options(bad);
    REQUIRE_FALSE(options);
    CHECK(options.error().code == EINVAL);
  }
}

TEST_CASE("a JSON question has one question and its options") {
  const auto text =
      parse_question(R"({"text":"rotate the keys","k":5,"mode":"hybrid","exact":true,"min":0.5,)"
                     R"("filter":{"name":"*.md","newer":"7d","larger":4096,"smaller":"10k"}})");
  REQUIRE(text);
  CHECK(text->text == "rotate the keys");
  CHECK(text->options.k == 5);
  CHECK(text->options.mode == Mode::hybrid);
  CHECK(text->options.exact);
  CHECK(text->options.name == "*.md");
  CHECK(text->options.larger == 4096);
  CHECK(text->options.smaller == 10240);
  CHECK(text->options.format == Format::json);

  const auto vector = parse_question(R"({"vector":[1,-2.5,1e-3]})");
  REQUIRE(vector);
  CHECK(vector->vector == std::vector<float>{1, -2.5, 1e-3F});

  const auto similar = parse_question(R"({"similar":"ops/keys.md"})");
  REQUIRE(similar);
  CHECK(similar->similar_path == "ops/keys.md");
}

TEST_CASE("a JSON question of another shape is refused") {
  for (const char* bad : {"",
                          "null",
                          "[]",
                          "5",
                          "{}",
                          R"({"text":""})",
                          R"({"text":" \n"})",
                          R"({"text":5})",
                          R"({"text":"a","vector":[1]})",
                          R"({"similar":"a","text":"b"})",
                          R"({"vector":[]})",
                          R"({"vector":["1"]})",
                          R"({"vector":[1e39]})",
                          R"({"vector":[null]})",
                          R"({"vector":1})",
                          R"({"text":"a","k":"5"})",
                          R"({"text":"a","k":1.5})",
                          R"({"text":"a","k":true})",
                          R"({"text":"a","k":-1})",
                          R"({"text":"a","exact":1})",
                          R"({"text":"a","name":"*"})",
                          R"({"text":"a","filter":[]})",
                          R"({"text":"a","filter":{"k":5}})",
                          R"({"text":"a","filter":{"name":5}})",
                          R"({"text":"a","format":"json"})",
                          R"({"text":"a","other":1})",
                          "{\"text\":\"\xff\"}",
                          R"({"text":"a"} x)"}) {
    CAPTURE(bad);
    const auto question = parse_question(bad);
    REQUIRE_FALSE(question);
    CHECK(question.error().code == EINVAL);
  }
  CHECK_FALSE(parse_question("{\"vector\":[" + std::string(2 * 4096, '0') + "]}"));
  std::string long_vector = "{\"vector\":[0";
  for (int i = 0; i < 4096; ++i) long_vector += ",0";
  CHECK_FALSE(parse_question(long_vector + "]}"));
}

TEST_CASE("a question cut anywhere is refused, not misread") {
  const std::string text = R"({"text":"keys","k":5,"filter":{"type":"md"}})";
  REQUIRE(parse_question(text));
  for (std::size_t size = 0; size < text.size(); ++size)
    CHECK_FALSE(parse_question(std::string_view(text).substr(0, size)));
}

TEST_SUITE_END();
