// SPDX-License-Identifier: Apache-2.0
// A table of our own, not libmagic: it has to tell few things apart, runs inside the daemon on
// bytes of strangers, and says nothing of text, which is judged by all of its bytes (extract.cc).
#include "search/magic.h"

#include <algorithm>
#include <array>

namespace vexfs {

namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  std::size_t at;
  const char* reason;
};
constexpr std::array kSignatures = {
    Signature{"\x89PNG\r\n\x1a\n"sv, 0, "binary: PNG image"},
    Signature{"\xff\xd8\xff"sv, 0, "binary: JPEG image"},
    Signature{"GIF87a"sv, 0, "binary: GIF image"},
    Signature{"GIF89a"sv, 0, "binary: GIF image"},
    Signature{"II*\0"sv, 0, "binary: TIFF image"},
    Signature{"MM\0*"sv, 0, "binary: TIFF image"},
    Signature{"WEBP"sv, 8, "binary: WebP image"},
    Signature{"WAVE"sv, 8, "binary: sound"},
    Signature{"OggS\0"sv, 0, "binary: sound or video"},
    Signature{"fLaC\0"sv, 0, "binary: sound"},
    Signature{"ID3\3"sv, 0, "binary: sound"},
    Signature{"ID3\4"sv, 0, "binary: sound"},
    Signature{"ftyp"sv, 4, "binary: video or image"},
    Signature{"\x1a\x45\xdf\xa3"sv, 0, "binary: video"},
    Signature{"PK\3\4"sv, 0, "binary: archive or office document"},
    Signature{"PK\5\6"sv, 0, "binary: archive"},
    Signature{"\x1f\x8b\x08"sv, 0, "binary: compressed (gzip)"},
    Signature{"\xfd"
              "7zXZ\0"sv,
              0, "binary: compressed (xz)"},
    Signature{"\x28\xb5\x2f\xfd"sv, 0, "binary: compressed (zstd)"},
    Signature{"BZh91AY&SY"sv, 0, "binary: compressed (bzip2)"},
    Signature{"7z\xbc\xaf\x27\x1c"sv, 0, "binary: archive"},
    Signature{"Rar!\x1a\x07"sv, 0, "binary: archive"},
    Signature{"ustar\0"sv, 257, "binary: archive"},
    Signature{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, 0, "binary: office document"},
    Signature{"\x7f"
              "ELF"sv,
              0, "binary: program"},
    Signature{"MZ\x90\0"sv, 0, "binary: program"},
    Signature{"\0asm"sv, 0, "binary: program"},
    Signature{"\xca\xfe\xba\xbe"sv, 0, "binary: program"},
    Signature{"!<arch>\n"sv, 0, "binary: archive of objects"},
    Signature{"SQLite format 3\0"sv, 0, "binary: database"},
    Signature{"wOFF"sv, 0, "binary: font"},
    Signature{"wOF2"sv, 0, "binary: font"},
    Signature{"\0\1\0\0\0"sv, 0, "binary: font"},
};

bool begins_like(std::string_view text, std::string_view word) {
  return text.size() >= word.size() &&
         std::ranges::equal(text.substr(0, word.size()), word, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a | 0x20) : a) == b;
         });
}

}  // namespace

Sniffed sniff(std::string_view head) {
  // As every reader of PDF does: some bytes may stand before.
  if (head.substr(0, 1024).find("%PDF-") != head.npos) return {.magic = Magic::pdf};
  for (const Signature& one : kSignatures)
    if (head.size() >= one.at && head.substr(one.at).starts_with(one.bytes))
      return {.magic = Magic::binary, .reason = one.reason};
  std::string_view text = head.starts_with("\xef\xbb\xbf") ? head.substr(3) : head;
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  for (const std::string_view word : {"<!doctype html"sv, "<html"sv, "<?xml"sv})
    if (begins_like(text, word)) return {.magic = Magic::html};
  return {};
}

}  // namespace vexfs
