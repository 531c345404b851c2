// SPDX-License-Identifier: Apache-2.0
#include "search/json_text.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "search/utf8.h"

namespace vexfs {

namespace {

std::optional<char32_t> unit_at(std::string_view json, std::size_t at) {
  const std::string_view code = json.substr(std::min(at, json.size()), 6);
  unsigned value = 0;
  if (code.size() != 6 || !code.starts_with("\\u")) return std::nullopt;
  const auto [end, error] = std::from_chars(code.data() + 2, code.data() + 6, value, 16);
  if (error != std::errc() || end != code.data() + 6) return std::nullopt;
  return value;
}

// What an escape stands for, and how long it is; nothing where it is none.
struct Escape {
  char32_t value = 0;
  std::size_t bytes = 0;
};
std::optional<Escape> escape_at(std::string_view json, std::size_t at) {
  if (const auto first = unit_at(json, at)) {
    if (*first < 0xd800 || *first > 0xdfff) return Escape{*first == 0 ? U' ' : *first, 6};
    const auto second = unit_at(json, at + 6);
    if (*first > 0xdbff || !second || *second < 0xdc00 || *second > 0xdfff)
      return Escape{U'\ufffd', 6};
    return Escape{0x10000 + ((*first - 0xd800) << 10) + (*second - 0xdc00), 12};
  }
  if (at + 1 >= json.size()) return std::nullopt;
  switch (json[at + 1]) {
    case 'n':
      return Escape{U'\n', 2};
    case 't':
    case 'r':
    case 'f':
    case 'b':
      return Escape{U' ', 2};
    case '"':
    case '\\':
    case '/':
      return Escape{static_cast<char32_t>(json[at + 1]), 2};
    default:
      return std::nullopt;
  }
}

}  // namespace

bool has_escapes(std::string_view json) {
  return json.find('\\') != std::string_view::npos;
}

void unescape_json(std::string_view json, Extracted& into) {
  std::uint32_t line = 1;  // of the file: an escaped line end is none
  const auto mark = [&](std::size_t from) {
    into.runs.push_back({.text = static_cast<std::uint32_t>(into.text.size()),
                         .file = static_cast<std::uint32_t>(from),
                         .line = line});
  };
  mark(0);
  for (std::size_t at = 0; at < json.size();) {
    const std::size_t next = std::min(json.find('\\', at), json.size());
    into.text += json.substr(at, next - at);
    line += static_cast<std::uint32_t>(std::count(json.begin() + static_cast<std::ptrdiff_t>(at),
                                                  json.begin() + static_cast<std::ptrdiff_t>(next),
                                                  '\n'));
    at = next;
    if (at == json.size()) break;
    if (const auto escape = escape_at(json, at)) {
      mark(at);
      append_utf8(into.text, escape->value);
      at += escape->bytes;
      mark(at);
    } else {
      into.text += json[at++];
    }
  }
  mark(json.size());
}

}  // namespace vexfs
