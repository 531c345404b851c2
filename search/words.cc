// SPDX-License-Identifier: Apache-2.0
#include "search/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "search/utf8.h"

namespace vexfs {

namespace {

enum class Shape : std::uint8_t { none, lower, upper, digit, joiner, apostrophe, cjk };

bool is_cjk(char32_t c) {
  return (c >= 0x2e80 && c <= 0x2fdf) || (c >= 0x3005 && c <= 0x3007) ||
         (c >= 0x3040 && c <= 0x30ff) || (c >= 0x31f0 && c <= 0x31ff) ||
         (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
         (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0x20000 && c <= 0x3ffff);
}

Shape shape_of(char32_t c) {
  if (c < 0x80) {
    if (c >= 'a' && c <= 'z') return Shape::lower;
    if (c >= 'A' && c <= 'Z') return Shape::upper;
    if (c >= '0' && c <= '9') return Shape::digit;
    if (c == '_') return Shape::joiner;
    return c == '\'' ? Shape::apostrophe : Shape::none;
  }
  if (c == kNotUtf8) return Shape::none;
  if (c == U'\u2019') return Shape::apostrophe;
  if (is_cjk(c)) return Shape::cjk;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return Shape::upper;
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return Shape::lower;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Shape::digit;
    default:
      return Shape::none;
  }
}

// Latin, Greek and Cyrillic lose their accents; the marks of other scripts are letters.
bool only_decorates(utf8proc_int32_t c) {
  return c >= 0x300 && c <= 0x36f;
}

void append_folded(std::string& to, char32_t c) {
  if (c < 0x80) {
    if (c != '_') to += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    return;
  }
  if (c == U'\u2019') {
    to += '\'';
    return;
  }
  if (c >= 0xac00 && c <= 0xd7a3) {  // Hangul syllables stay whole
    append_utf8(to, c);
    return;
  }
  std::array<utf8proc_int32_t, 32> parts{};
  int boundary = 0;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT |
                                                      UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(), options, &boundary);
  for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, parts.size()); ++i)
    if (const auto part = parts[static_cast<std::size_t>(i)]; !only_decorates(part))
      append_utf8(to, static_cast<char32_t>(part));
}

// One text's scan. A run is what stands between separators; it becomes a word, or an identifier
// with parts.
class Scanner {
 public:
  Scanner(std::string_view text, FunctionRef<void(const FoundWord&)> visit)
      : text_(text), visit_(visit) {}

  void run() {
    for (std::uint32_t at = 0; at < text_.size();) {
      const CodePoint point = first_code_point(text_.substr(at));
      const Shape shape = shape_of(point.value);
      if (shape == Shape::none || shape == Shape::cjk) end_run();
      if (shape != Shape::cjk) end_cjk();
      if (shape == Shape::cjk)
        cjk_.push_back({.shape = shape, .at = at, .point = point});
      else if (shape != Shape::none)
        add(shape, at, point);
      at += point.bytes;
    }
    end_run();
    end_cjk();
  }

 private:
  struct Letter {
    Shape shape = Shape::none;
    std::uint32_t at = 0;
    CodePoint point = {};
    std::uint32_t end() const { return at + point.bytes; }
  };

  void add(Shape shape, std::uint32_t at, CodePoint point) {
    // A run of a megabyte is no word: letters past the limit are read and forgotten.
    if (run_.size() < kWordBytesMax) run_.push_back({.shape = shape, .at = at, .point = point});
  }

  void emit(FoundWord::Kind kind, std::size_t from, std::size_t to,
            const std::vector<Letter>& letters) {
    folded_.clear();
    for (std::size_t i = from; i < to; ++i) append_folded(folded_, letters[i].point.value);
    if (folded_.empty()) return;
    visit_({.kind = kind,
            .folded = utf8_prefix(folded_, kWordBytesMax),
            .at = letters[from].at,
            .bytes = letters[to - 1].end() - letters[from].at});
  }

  static bool separates(Shape shape) {
    return shape == Shape::joiner || shape == Shape::apostrophe;
  }

  // fooBar, HTTPServer: before 'B', before 'S'.
  bool part_begins(std::size_t i) const {
    if (run_[i].shape != Shape::upper) return false;
    const Shape before = run_[i - 1].shape;
    if (before == Shape::lower || before == Shape::digit) return true;
    return before == Shape::upper && i + 1 < run_.size() && run_[i + 1].shape == Shape::lower;
  }

  void end_run() {
    while (!run_.empty() && separates(run_.back().shape)) run_.pop_back();
    std::size_t first = 0;
    while (first < run_.size() && separates(run_[first].shape)) ++first;
    if (first == run_.size()) {
      run_.clear();
      return;
    }
    parts_.clear();
    std::size_t from = first;
    for (std::size_t i = first + 1; i < run_.size(); ++i) {
      if (run_[i].shape == Shape::joiner) {
        if (i > from) parts_.push_back({from, i});
        from = i + 1;
      } else if (i > from && part_begins(i)) {
        parts_.push_back({from, i});
        from = i;
      }
    }
    parts_.push_back({from, run_.size()});
    if (parts_.size() == 1) {
      emit(FoundWord::Kind::word, parts_[0].from, parts_[0].to, run_);
    } else {
      emit(FoundWord::Kind::whole, first, run_.size(), run_);
      for (const Part& part : parts_) emit(FoundWord::Kind::part, part.from, part.to, run_);
    }
    run_.clear();
  }

  void end_cjk() {
    if (cjk_.size() == 1) emit(FoundWord::Kind::cjk, 0, 1, cjk_);
    for (std::size_t i = 0; i + 1 < cjk_.size(); ++i) emit(FoundWord::Kind::cjk, i, i + 2, cjk_);
    cjk_.clear();
  }

  struct Part {
    std::size_t from = 0, to = 0;
  };
  const std::string_view text_;
  const FunctionRef<void(const FoundWord&)> visit_;
  std::vector<Letter> run_, cjk_;
  std::vector<Part> parts_;
  std::string folded_;
};

// In ascending order.
constexpr std::array<std::string_view, 44> kStopWords = {
    "a",     "an",    "and",   "any",  "are",  "as",  "at",   "be",   "been",  "but",  "by",
    "can",   "do",    "does",  "for",  "from", "has", "have", "how",  "i",     "if",   "in",
    "into",  "is",    "it",    "its",  "not",  "of",  "on",   "or",   "such",  "that", "the",
    "their", "there", "these", "this", "to",   "was", "were", "what", "which", "will", "with"};
static_assert(std::ranges::is_sorted(kStopWords));

}  // namespace

void for_each_word(std::string_view text, FunctionRef<void(const FoundWord&)> visit) {
  Scanner(text, visit).run();
}

bool is_stop_word(std::string_view folded) {
  return std::ranges::binary_search(kStopWords, folded);
}

}  // namespace vexfs
