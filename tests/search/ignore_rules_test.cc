// SPDX-License-Identifier: Apache-2.0
// Goal: a line of .vexfsignore means what gitignore(5) says. Method: known lines; random patterns
// and paths against a naive matcher that tries everything.
#include "search/ignore_rules.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

using namespace vexfs;
using namespace std::string_literals;

TEST_SUITE_BEGIN("search/ignore_rules");

namespace {

bool ignored(std::string_view rules, std::string_view path, bool directory = false) {
  const auto match = IgnoreRules(rules).match(path, directory);
  return match && match->ignored;
}

// By definition: a star is nothing, or a letter and a star; "**/" is nothing, or a name and "**/".
bool naive(std::string_view pattern, std::string_view path) {
  if (pattern == "/**") return path.size() > 1 && path.front() == '/';
  if (pattern.empty()) return path.empty();
  if (pattern.starts_with("/**/")) {
    if (naive(pattern.substr(3), path)) return true;
    if (path.empty() || path.front() != '/') return false;
    const std::size_t end = path.find('/', 1);
    return end != path.npos && naive(pattern, path.substr(end));
  }
  if (pattern.front() == '*')
    return naive(pattern.substr(1), path) ||
           (!path.empty() && path.front() != '/' && naive(pattern, path.substr(1)));
  if (path.empty()) return false;
  if (pattern.front() == '?')
    return path.front() != '/' && naive(pattern.substr(1), path.substr(1));
  return pattern.front() == path.front() && naive(pattern.substr(1), path.substr(1));
}

}  // namespace

TEST_CASE("lines mean what gitignore says") {
  CHECK(ignored("*.log", "a.log"));
  CHECK(ignored("*.log", "deep/er/a.log"));
  CHECK_FALSE(ignored("*.log", "a.logs"));
  CHECK(ignored("/a.log", "a.log"));
  CHECK_FALSE(ignored("/a.log", "deep/a.log"));
  CHECK(ignored("doc/*.txt", "doc/a.txt"));
  CHECK_FALSE(ignored("doc/*.txt", "x/doc/a.txt"));
  CHECK_FALSE(ignored("doc/*.txt", "doc/x/a.txt"));
  CHECK(ignored("out/", "out", true));
  CHECK(ignored("out/", "a/out", true));
  CHECK_FALSE(ignored("out/", "out", false));
  CHECK(ignored("**/tmp/x", "a/b/tmp/x"));
  CHECK(ignored("**/tmp/x", "tmp/x"));
  CHECK(ignored("a/**/z", "a/z"));
  CHECK(ignored("a/**/z", "a/b/c/z"));
  CHECK(ignored("a/**", "a/b/c"));
  CHECK_FALSE(ignored("a/**", "a", true));
  CHECK(ignored("[a-c]x[!0-9]", "bxq"));
  CHECK_FALSE(ignored("[a-c]x[!0-9]", "bx5"));
  CHECK(ignored("x[[:digit:]]", "x7"));
  CHECK(ignored("x[]]", "x]"));
  CHECK(ignored("x[", "x["));
  CHECK(ignored("\\#a\n\\!b", "#a"));
  CHECK(ignored("\\#a\n\\!b", "!b"));
  CHECK_FALSE(ignored("# *", "a"));
  CHECK(ignored("a   ", "a"));
  CHECK(ignored("a\\ ", "a "));
  CHECK(ignored("a\r\n", "a"));
  CHECK_FALSE(ignored("/\n\n!\n", "a"));
}

TEST_CASE("the last line that matches decides, and is named") {
  const IgnoreRules rules("*.log\n!keep.log\n# no\nkeep.log/\n");
  CHECK(rules.match("a.log", false)->line == 1);
  CHECK_FALSE(rules.match("keep.log", false)->ignored);
  CHECK(rules.match("keep.log", true)->ignored);
  CHECK(rules.match("keep.log", true)->line == 4);
  CHECK(rules.match("keep.log", true)->pattern == "keep.log/");
  CHECK_FALSE(rules.match("b.txt", false).has_value());
}

TEST_CASE("random patterns match as the naive matcher says") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto pick = [&](std::string_view letters) { return letters[random() % letters.size()]; };
  for (int round = 0; round < 20000; ++round) {
    std::string pattern, path;
    for (int names = 1 + static_cast<int>(random() % 4); names > 0; --names) {
      std::string name;
      if (random() % 4 == 0)
        name = "**";
      else
        for (int i = 1 + static_cast<int>(random() % 4); i > 0; --i) name += pick("aab*?");
      if (name.find("**") != name.npos && name != "**") continue;
      if (name == "**" && pattern.ends_with("/**")) continue;
      pattern += "/" + name;
    }
    for (int names = 1 + static_cast<int>(random() % 5); names > 0; --names) {
      path += '/';
      for (int i = 1 + static_cast<int>(random() % 3); i > 0; --i) path += pick("ab");
    }
    if (pattern.empty()) continue;
    CAPTURE(pattern);
    CAPTURE(path);
    CHECK(ignored(pattern, std::string_view(path).substr(1)) == naive(pattern, path));
  }
}

TEST_CASE("no pattern takes long") {
  // A matcher that goes back over every star needs 2^60 steps for these.
  std::string stars, directories;
  for (int i = 0; i < 60; ++i) stars += "*a", directories += "**/a/";
  CHECK_FALSE(ignored(stars + "b", std::string(200, 'a')));
  std::string deep;
  for (int i = 0; i < 400; ++i) deep += "a/";
  CHECK_FALSE(ignored("/" + directories + "b", deep + "c"));
}

TEST_SUITE_END();
