// SPDX-License-Identifier: Apache-2.0
#include "search/ignore_rules.h"

#include <algorithm>
#include <cctype>

namespace vexfs {

namespace {

constexpr std::string_view kAnyDirectories = "**";
constexpr std::size_t kPathSegmentsMax = 4096;

struct CharacterClass {
  std::string_view name;
  int (*holds)(int);
};
constexpr CharacterClass kClasses[] = {{"alpha", std::isalpha}, {"digit", std::isdigit},
                                       {"alnum", std::isalnum}, {"upper", std::isupper},
                                       {"lower", std::islower}, {"space", std::isspace},
                                       {"punct", std::ispunct}, {"xdigit", std::isxdigit}};

// What stands at the front of a pattern: one element and how long it is.
struct Element {
  std::size_t bytes = 0;
  bool matches = false;
};

// "[a-z]" or "[!0-9]" at the front of `pattern`; no closing bracket: an ordinary '['.
Element bracket(std::string_view pattern, unsigned char c) {
  std::size_t at = 1;
  const bool inverted = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (inverted) ++at;
  bool found = false;
  for (const std::size_t first = at; at < pattern.size(); ++at) {
    if (pattern[at] == ']' && at != first) return {.bytes = at + 1, .matches = found != inverted};
    if (pattern.substr(at, 2) == "[:") {
      const std::size_t end = pattern.find(":]", at + 2);
      if (end != pattern.npos) {
        const std::string_view name = pattern.substr(at + 2, end - at - 2);
        for (const CharacterClass& one : kClasses) found |= one.name == name && one.holds(c) != 0;
        at = end + 1;
        continue;
      }
    }
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at]);
    auto high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      at += 2;
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      high = static_cast<unsigned char>(pattern[at]);
    }
    found |= c >= low && c <= high;
  }
  return {.bytes = 1, .matches = c == '['};
}

Element element(std::string_view pattern, unsigned char c) {
  if (pattern[0] == '?') return {.bytes = 1, .matches = true};
  if (pattern[0] == '[') return bracket(pattern, c);
  if (pattern[0] == '\\' && pattern.size() > 1)
    return {.bytes = 2, .matches = static_cast<unsigned char>(pattern[1]) == c};
  return {.bytes = 1, .matches = static_cast<unsigned char>(pattern[0]) == c};
}

// One name against one pattern without slashes. After a mismatch only the last '*' takes more, so
// the time is the product of both lengths.
bool name_matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = pattern.npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
      continue;
    }
    if (p < pattern.size()) {
      const Element one = element(pattern.substr(p), static_cast<unsigned char>(name[n]));
      if (one.matches) {
        p += one.bytes;
        ++n;
        continue;
      }
    }
    if (star == pattern.npos) return false;
    p = star + 1;
    n = ++taken;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty() && segments.size() < kPathSegmentsMax) {
    const std::size_t end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

// As name_matches(), a level higher: "**" is the star, a name the letter. One at the end takes
// at least one name.
bool path_matches(const std::vector<std::string>& pattern,
                  const std::vector<std::string_view>& path) {
  std::size_t p = 0, n = 0, star = pattern.size(), taken = 0;
  while (n < path.size()) {
    if (p < pattern.size() && pattern[p] == kAnyDirectories) {
      if (p + 1 == pattern.size()) return true;
      star = p++;
      taken = n;
    } else if (p < pattern.size() && name_matches(pattern[p], path[n])) {
      ++p;
      ++n;
    } else if (star != pattern.size()) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return p == pattern.size();
}

// Without the spaces at the end that no backslash protects.
std::string_view trimmed(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  while (line.ends_with(' ')) {
    const std::string_view before = line.substr(0, line.size() - 1);
    const std::size_t letters = before.find_last_not_of('\\');
    const std::size_t slashes = before.size() - (letters == before.npos ? 0 : letters + 1);
    if (slashes % 2 == 1) break;
    line = before;
  }
  return line;
}

}  // namespace

std::optional<IgnoreRules::Rule> IgnoreRules::parse(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || line.front() == '#') return std::nullopt;
  Rule rule{.line = std::string(line)};
  if (line.front() == '!') {
    rule.keeps = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.directories = true;
    line.remove_suffix(1);
  }
  // A slash before the end ties the pattern to the place of the rules.
  const bool anchored = line.find('/') != line.npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.empty()) return std::nullopt;
  if (!anchored) rule.segments.emplace_back(kAnyDirectories);
  for (const std::string_view segment : segments_of(line))
    if (segment != kAnyDirectories || rule.segments.empty() ||
        rule.segments.back() != kAnyDirectories)
      rule.segments.emplace_back(segment);
  return rule;
}

IgnoreRules::IgnoreRules(std::string_view text) {
  text = text.substr(0, kIgnoreBytesMax);
  std::uint32_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    ++number;
    if (auto rule = parse(text.substr(0, end))) {
      rule->number = number;
      rules_.push_back(*std::move(rule));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::optional<IgnoreRules::Match> IgnoreRules::match(std::string_view path, bool directory) const {
  if (rules_.empty()) return std::nullopt;
  const std::vector<std::string_view> names = segments_of(path);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule)
    if ((directory || !rule->directories) && path_matches(rule->segments, names))
      return Match{.ignored = !rule->keeps, .line = rule->number, .pattern = rule->line};
  return std::nullopt;
}

}  // namespace vexfs
