// SPDX-License-Identifier: Apache-2.0
// Goal: an answer reads back as one record a line, whatever bytes names hold, and is cut at
// records only. Method: known texts; every size limit against the records of the whole.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "search/question.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/render");

namespace {
constexpr std::size_t kNoLimit = std::size_t{1} << 30;

Answer two_hits() {
  Answer answer;
  answer.hits.push_back({.path = "ops/keys.md",
                         .score = 0.87312F,
                         .locator = {.kind = Locator::Kind::lines, .first = 3, .last = 9},
                         .snippet = "turn the keys",
                         .cosine = 0.5F});
  answer.hits.push_back({.path = "a\tb\n\\\xff", .score = 0.25F, .snippet = "\xfe"});
  answer.pending = 2;
  return answer;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t from = 0;
  for (std::size_t end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
    lines.push_back(text.substr(from, end - from));
  CHECK(from == text.size());  // the last line ends too
  return lines;
}
}  // namespace

TEST_CASE("text: score, path, locator, snippet; the status record last") {
  const auto lines = lines_of(render(two_hits(), Format::text, kNoLimit));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "0.8731\tops/keys.md\tlines 3-9\tturn the keys");
  CHECK(lines[1] == "0.25\ta\\tb\\n\\\\\xff\t-\t\xfe");
  CHECK(lines[2] == "# matches=2 pending=2 failed=0 left_out=0");
}

TEST_CASE("JSON: every line parses, a name that is not UTF-8 is given in base64") {
  const auto lines = lines_of(render(two_hits(), Format::json, kNoLimit));
  REQUIRE(lines.size() == 3);
  const auto first = parse_json(lines[0]), second = parse_json(lines[1]),
             status = parse_json(lines[2]);
  REQUIRE((first && second && status));
  CHECK((*first)["path"] == "ops/keys.md");
  CHECK((*first)["score"] == 0.87312);
  CHECK((*first)["cosine"] == 0.5);
  CHECK_FALSE(first->contains("bm25"));
  CHECK((*second)["path_b64"] == "YQliClz/");
  CHECK_FALSE(second->contains("path"));
  CHECK((*status)["status"]["matches"] == 2);
  CHECK((*status)["status"]["pending"] == 2);
}

TEST_CASE("an answer is cut at a whole record, and says so") {
  Answer answer;
  for (int i = 0; i < 20; ++i)
    answer.hits.push_back({.path = std::string(static_cast<std::size_t>(i), 'x'), .score = 1});
  for (const Format form : {Format::text, Format::json}) {
    const std::string whole = render(answer, form, kNoLimit);
    const auto all = lines_of(whole);
    CHECK(render(answer, form, whole.size()) == whole);
    for (std::size_t limit = 150; limit < whole.size(); ++limit) {
      const std::string text = render(answer, form, limit);
      CHECK(text.size() <= limit);
      const auto lines = lines_of(text);
      const std::size_t endings = form == Format::text ? 2 : 1;
      REQUIRE(lines.size() >= endings);
      const std::size_t shown = lines.size() - endings;
      for (std::size_t i = 0; i < shown; ++i) CHECK(lines[i] == all[i]);
      if (form == Format::text)
        CHECK(lines[shown] == "# cut: " + std::to_string(shown) + " of 20 matches shown");
      else
        CHECK((*parse_json(lines.back()))["status"]["shown"] == shown);
    }
  }
}

TEST_SUITE_END();
