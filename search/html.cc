// SPDX-License-Identifier: Apache-2.0
#include "search/html.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "search/utf8.h"

namespace vexfs {

namespace {

constexpr std::size_t kReferenceBytesMax = 10;  // "&#x10ffff;"

struct Named {
  std::string_view name;
  char32_t value;
};
constexpr std::array kNamed = {
    Named{"amp", '&'},          Named{"lt", '<'},           Named{"gt", '>'},
    Named{"quot", '"'},         Named{"apos", '\''},        Named{"nbsp", ' '},
    Named{"mdash", U'\u2014'},  Named{"ndash", U'\u2013'},  Named{"hellip", U'\u2026'},
    Named{"copy", U'\u00a9'},   Named{"auml", U'\u00e4'},   Named{"ouml", U'\u00f6'},
    Named{"uuml", U'\u00fc'},   Named{"szlig", U'\u00df'},  Named{"eacute", U'\u00e9'},
    Named{"egrave", U'\u00e8'}, Named{"agrave", U'\u00e0'}, Named{"ccedil", U'\u00e7'},
    Named{"laquo", U'\u00ab'},  Named{"raquo", U'\u00bb'},  Named{"rsquo", U'\u2019'},
};
// A paragraph of its own; the others of kLine end a line.
constexpr std::array<std::string_view, 14> kParagraph = {"p",  "h1", "h2",      "h3",      "h4",
                                                         "h5", "h6", "article", "section", "table",
                                                         "ul", "ol", "pre",     "title"};
constexpr std::array<std::string_view, 15> kLine = {
    "br",     "div", "li",   "tr", "dt",     "dd",         "blockquote", "header",
    "footer", "nav", "main", "hr", "option", "figcaption", "body"};
constexpr std::array<std::string_view, 3> kHidden = {"script", "style", "template"};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Stripper {
 public:
  Stripper(std::string_view html, Extracted& into) : html_(html), into_(into) {}

  void run() {
    into_.runs.push_back({.text = 0, .file = 0, .line = 1});
    while (at_ < html_.size()) {
      const char c = html_[at_];
      if (c == '<' && tag()) continue;
      if (c == '&' && reference()) continue;
      if (c == '\n') ++line_;
      into_.text += c;
      ++at_;
    }
    begin_run();
  }

 private:
  // From here on text and file run in step again.
  void begin_run() {
    const Extracted::Run run = {.text = static_cast<std::uint32_t>(into_.text.size()),
                                .file = static_cast<std::uint32_t>(at_),
                                .line = line_};
    if (!into_.runs.empty() && into_.runs.back().text == run.text)
      into_.runs.back() = run;
    else
      into_.runs.push_back(run);
  }
  void skip_to(std::size_t end) {
    end = std::min(end, html_.size());
    line_ += static_cast<std::uint32_t>(std::count(html_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                   html_.begin() + static_cast<std::ptrdiff_t>(end),
                                                   '\n'));
    at_ = end;
    begin_run();
  }
  void insert(std::string_view text) {
    begin_run();
    into_.text += text;
  }

  bool tag() {
    const std::string_view rest = html_.substr(at_);
    if (rest.starts_with("<!--")) {
      const std::size_t end = rest.find("-->", 4);
      skip_to(end == std::string_view::npos ? html_.size() : at_ + end + 3);
      return true;
    }
    std::size_t begin = 1;
    if (begin < rest.size() && (rest[begin] == '/' || rest[begin] == '!' || rest[begin] == '?'))
      ++begin;
    if (begin >= rest.size() || (begin == 1 && !is_letter(rest[1]))) return false;
    if (no_tag_ends_) return false;
    const std::size_t end = rest.find('>', begin);
    if (end == std::string_view::npos) {
      no_tag_ends_ = true;  // looked for once, not at every '<'
      return false;
    }
    std::string name;
    for (std::size_t i = begin; i < end && name.size() < 16; ++i) {
      if (!is_letter(rest[i]) && !(rest[i] >= '0' && rest[i] <= '9')) break;
      name += static_cast<char>(rest[i] | 0x20);
    }
    if (std::ranges::find(kParagraph, name) != kParagraph.end())
      insert("\n\n");
    else if (std::ranges::find(kLine, name) != kLine.end())
      insert("\n");
    else if (name == "td" || name == "th")
      insert(" ");
    const bool hides = begin == 1 && std::ranges::find(kHidden, name) != kHidden.end();
    skip_to(at_ + end + 1);
    if (hides) skip_hidden(name);
    return true;
  }

  void skip_hidden(std::string_view name) {
    for (std::size_t at = at_; (at = html_.find("</", at)) != std::string_view::npos; at += 2) {
      const std::string_view closing = html_.substr(at + 2, name.size());
      const auto same = [](char a, char b) { return (a | 0x20) == b; };
      if (std::ranges::equal(closing, name, same)) return skip_to(at);
    }
    skip_to(html_.size());
  }

  bool reference() {
    const std::string_view rest = html_.substr(at_ + 1, kReferenceBytesMax);
    const std::size_t end = rest.find(';');
    if (end == std::string_view::npos || end == 0) return false;
    const char32_t value = value_of(rest.substr(0, end));
    if (value == kNotUtf8) return false;
    begin_run();
    append_utf8(into_.text, value);
    skip_to(at_ + end + 2);
    return true;
  }

  static char32_t value_of(std::string_view name) {
    if (name[0] != '#') {
      const auto found = std::ranges::find(kNamed, name, &Named::name);
      return found == kNamed.end() ? kNotUtf8 : found->value;
    }
    name.remove_prefix(1);
    const bool hex = !name.empty() && (name[0] | 0x20) == 'x';
    if (hex) name.remove_prefix(1);
    std::uint32_t value = 0;
    const char* end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, value, hex ? 16 : 10);
    if (error != std::errc() || stop != end || value < 0x20 || value > 0x10ffff ||
        (value >= 0xd800 && value <= 0xdfff))
      return kNotUtf8;
    return value;
  }

  const std::string_view html_;
  Extracted& into_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool no_tag_ends_ = false;
};

}  // namespace

void strip_html(std::string_view html, Extracted& into) {
  Stripper(html, into).run();
}

}  // namespace vexfs
