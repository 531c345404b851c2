// SPDX-License-Identifier: Apache-2.0
#include <iconv.h>
#include <uchardet/uchardet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "extract/reading.h"

namespace vexfs {

namespace {

// Fewer letters beyond ASCII tell no encoding from another.
constexpr std::ptrdiff_t kTellingMin = 16;
constexpr std::size_t kErrorsShare = 64;  // one in so many bytes may be wrong
constexpr std::array<std::string_view, 6> kLatin = {
    "", "ASCII", "ISO-8859-1", "ISO-8859-15", "WINDOWS-1252", "UTF-8"};

std::string charset_of(std::string_view file) {
  struct Close {
    void operator()(uchardet_t detector) const { uchardet_delete(detector); }
  };
  const std::unique_ptr<uchardet, Close> detector(uchardet_new());
  if (uchardet_handle_data(detector.get(), file.data(), file.size()) != 0) return {};
  uchardet_data_end(detector.get());
  return uchardet_get_charset(detector.get());
}

}  // namespace

ForeignStatus read_charset(std::string_view file, Reading& into) {
  const auto telling = std::ranges::count_if(file, [](char c) { return (c & 0x80) != 0; });
  const std::string charset = charset_of(file);
  if (telling < kTellingMin || std::ranges::find(kLatin, charset) != kLatin.end())
    return ForeignStatus::latin;
  const iconv_t convert = ::iconv_open("UTF-8", charset.c_str());
  if (convert == reinterpret_cast<iconv_t>(-1)) return ForeignStatus::latin;
  std::string bytes(file);
  char* at = bytes.data();
  std::size_t left = bytes.size(), wrong = 0;
  std::array<char, 1024> buffer;
  while (left > 0) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t done = ::iconv(convert, &at, &left, &to, &room);
    into.text.append(buffer.data(), buffer.size() - room);
    if (into.text.size() > kExtractTextMax - buffer.size()) break;
    if (done != static_cast<std::size_t>(-1) || errno == E2BIG) continue;
    if (errno == EINVAL) break;  // half a character at the end
    into.text += "\xef\xbf\xbd";
    ++at, --left, ++wrong;
  }
  ::iconv_close(convert);
  return wrong * kErrorsShare > file.size() ? ForeignStatus::damaged : ForeignStatus::ok;
}

}  // namespace vexfs
