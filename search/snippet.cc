// SPDX-License-Identifier: Apache-2.0
// Snippets: of all windows of a text that fit, the one in which the question's words are worth
// most, moved back to where its line or sentence begins.
#include <algorithm>
#include <unordered_map>

#include "search/ranking.h"
#include "search/utf8.h"

namespace vexfs {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

struct Match {
  std::uint32_t begin = 0, end = 0;  // bytes of the text
  TermId stem = 0;
};

// Where the window with most different words of the question begins; words that repeat count a
// little.
std::size_t best_match(std::span<const Match> matches, std::size_t bytes_max) {
  std::unordered_map<TermId, int> inside;
  std::size_t best = 0, first = 0;
  double best_worth = 0;
  constexpr double kRepeated = 0.1;
  double worth = 0;
  for (std::size_t last = 0; last < matches.size(); ++last) {
    const Match& match = matches[last];
    worth += ++inside[match.stem] == 1 ? 1 : kRepeated;
    while (first < last && match.end - matches[first].begin > bytes_max) {
      worth -= --inside[matches[first].stem] == 0 ? 1 : kRepeated;
      ++first;
    }
    if (worth > best_worth + 1e-9) {
      best_worth = worth;
      best = first;
    }
  }
  return best;
}

// The first byte to show for a match at `at`: where its line or sentence begins, when that leaves
// room for the match; else a word a little before it.
std::size_t begin_of(std::string_view text, std::size_t at, std::size_t room) {
  const std::size_t low = at - std::min(at, room);
  std::size_t word = at;
  for (std::size_t back = at; back > low; --back) {
    if (text[back - 1] == '\n') return back;
    if (!is_space(text[back - 1])) continue;
    if (back >= 2 && (text[back - 2] == '.' || text[back - 2] == '!' || text[back - 2] == '?'))
      return back;
    word = back;
  }
  return low == 0 ? 0 : word;
}

// `text` from `from` on in one line of at most `bytes_max` bytes.
std::string one_line(std::string_view text, std::size_t from, std::size_t bytes_max) {
  std::string line;
  for (std::string_view rest = text.substr(from); !rest.empty() && line.size() < bytes_max;) {
    if (is_space(rest[0])) {
      if (!line.empty() && line.back() != ' ') line += ' ';
      rest.remove_prefix(1);
      continue;
    }
    const CodePoint point = first_code_point(rest);
    if (line.size() + 3 > bytes_max && line.size() + point.bytes > bytes_max) break;
    if (point.value == kNotUtf8) {
      if (line.size() + 3 > bytes_max) break;
      append_utf8(line, U'\ufffd');
    } else {
      line.append(rest.substr(0, point.bytes));
    }
    rest.remove_prefix(point.bytes);
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace

Snippet snippet_of(std::string_view text, const TermBag& question, std::size_t bytes_max) {
  std::vector<Match> matches;
  for (const Word& word : words_of(text)) {
    const auto found = std::ranges::lower_bound(question.terms, word.stem, {}, &Term::id);
    if (found != question.terms.end() && found->id == word.stem)
      matches.push_back({.begin = word.offset, .end = word.offset + word.bytes, .stem = word.stem});
  }
  std::size_t from = 0;
  if (!matches.empty()) {
    const std::size_t first = best_match(matches, bytes_max);
    from = begin_of(text, matches[first].begin, bytes_max / 3);
  }
  while (from < text.size() && is_space(text[from])) ++from;
  const auto before = text.substr(0, from);
  return {.text = one_line(text, from, bytes_max),
          .line = static_cast<std::uint32_t>(std::ranges::count(before, '\n'))};
}

}  // namespace vexfs
