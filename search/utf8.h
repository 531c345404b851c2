// SPDX-License-Identifier: Apache-2.0
// UTF-8: stepping through bytes that claim to be text. Threads: any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace vexfs {

struct CodePoint {
  char32_t value = 0;       // kNotUtf8 for a byte that is not UTF-8
  std::uint32_t bytes = 0;  // at least 1
};
inline constexpr char32_t kNotUtf8 = 0xffffffff;

// The code point that `text`, which is not empty, begins with.
CodePoint first_code_point(std::string_view text);
void append_utf8(std::string& to, char32_t value);
bool is_utf8(std::string_view text);
// The longest prefix of at most `bytes_max` bytes that cuts no code point of valid UTF-8.
std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max);
// `text` with each byte that is not UTF-8 as U+FFFD.
std::string repaired_utf8(std::string_view text);

}  // namespace vexfs
