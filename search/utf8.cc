// SPDX-License-Identifier: Apache-2.0
#include "search/utf8.h"

#include <utf8proc.h>

#include <algorithm>

namespace vexfs {

CodePoint first_code_point(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {.value = first, .bytes = 1};
  utf8proc_int32_t value = 0;
  const auto size = static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size(), 4));
  const utf8proc_ssize_t bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), size, &value);
  if (bytes <= 0) return {.value = kNotUtf8, .bytes = 1};
  return {.value = static_cast<char32_t>(value), .bytes = static_cast<std::uint32_t>(bytes)};
}

void append_utf8(std::string& to, char32_t value) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(value), bytes);
  to.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (point.value == kNotUtf8) return false;
    text.remove_prefix(point.bytes);
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  // A code point has at most three continuation bytes; more is not UTF-8 and may be cut anywhere.
  for (int step = 0; step < 3 && end > 0 && continues(end); ++step) --end;
  return text.substr(0, continues(end) ? bytes_max : end);
}

std::string repaired_utf8(std::string_view text) {
  std::string repaired;
  repaired.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (point.value == kNotUtf8)
      append_utf8(repaired, U'\ufffd');
    else
      repaired.append(text.substr(0, point.bytes));
    text.remove_prefix(point.bytes);
  }
  return repaired;
}

}  // namespace vexfs
