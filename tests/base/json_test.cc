// SPDX-License-Identifier: Apache-2.0
// Goal: no text makes the JSON calls throw or crash. Method: hostile texts, cut at each length.
#include "base/json.h"

#include <doctest/doctest.h>

using namespace vexfs;

TEST_SUITE_BEGIN("base/json");

TEST_CASE("a value reads back, at every cut it is refused") {
  const std::string text = R"({"a":[1,2.5,"x"],"b":{"c":null}})";
  REQUIRE(parse_json(text));
  CHECK(to_text(*parse_json(text)) == text);
  for (std::size_t size = 0; size < text.size(); ++size)
    CHECK(parse_json(std::string_view(text).substr(0, size)).error().code == EINVAL);
}

TEST_CASE("deep nesting is refused, not followed") {
  CHECK(parse_json(std::string(1000000, '[')).error().code == EINVAL);
  CHECK(parse_json(std::string(40, '[') + std::string(40, ']')).error().code == EINVAL);
  CHECK(parse_json(std::string(20, '[') + std::string(20, ']')));
}

TEST_CASE("bytes that are not UTF-8 are replaced, not thrown") {
  CHECK(to_text(Json("a\xff")) == "\"a\xEF\xBF\xBD\"");
}

TEST_SUITE_END();
