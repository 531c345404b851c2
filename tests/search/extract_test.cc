// SPDX-License-Identifier: Apache-2.0
// Goal: text comes out of files as it went in, each byte knowing its place; what is no text says
// why. Method: known files of each encoding; hostile ones; the offsets against the file itself.
#include "search/extract.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "search/utf8.h"

using namespace vexfs;
using namespace std::string_literals;

TEST_SUITE_BEGIN("search/extract");

namespace {
Extracted of(std::string_view name, std::string_view bytes) {
  return extract(name, as_bytes(bytes), bytes.size());
}
// What the file holds where the byte of the text stands that `part` begins with.
std::string_view at_origin(const Extracted& text, std::string_view file, std::string_view part) {
  const std::size_t at = text.text.find(part);
  REQUIRE(at != std::string::npos);
  return file.substr(text.file_offset(static_cast<std::uint32_t>(at)));
}
std::uint32_t line_of(const Extracted& text, std::string_view part) {
  return text.line_of(static_cast<std::uint32_t>(text.text.find(part)), 0, 1);
}
std::string utf16(std::u16string_view text, bool big) {
  std::string bytes = big ? "\xfe\xff" : "\xff\xfe";
  for (const char16_t unit : text) {
    const char low = static_cast<char>(unit & 0xff), high = static_cast<char>(unit >> 8);
    bytes += big ? std::string{high, low} : std::string{low, high};
  }
  return bytes;
}
}  // namespace

TEST_CASE("UTF-8 is the file itself, a byte order mark is stepped over") {
  const Extracted plain = of("a.txt", "caf\u00e9\n");
  CHECK(plain.text == "caf\u00e9\n");
  CHECK(plain.runs.empty());
  CHECK(plain.skipped == nullptr);
  const Extracted marked = of("a.txt", "\xef\xbb\xbfkeys");
  CHECK(marked.text == "keys");
  CHECK(marked.file_offset(0) == 3);
  CHECK(marked.file_offset(4) == 7);
  CHECK(of("a.txt", "").text.empty());
}

TEST_CASE("UTF-16 and Latin-1 become UTF-8, with their places") {
  for (const bool big : {false, true}) {
    const std::string file = utf16(u"one\ntwo \u00e9 \U0001f511 keys", big);
    const Extracted text = of("a.txt", file);
    CHECK(text.text == "one\ntwo \u00e9 \U0001f511 keys");
    CHECK(text.file_offset(0) == 2);
    CHECK(at_origin(text, file, "two") == std::string_view(file).substr(10));
    CHECK(text.file_offset(static_cast<std::uint32_t>(text.text.size())) == file.size());
    CHECK(line_of(text, "two") == 2);
    CHECK(text_of_range(ContentKind::plain, as_bytes(std::string_view(file).substr(10))) ==
          "two \u00e9 \U0001f511 keys");
  }
  const std::string latin = "Die Schl\xfcssel und die T\xfcren drehen sich im Kreis";
  const Extracted text = of("a.txt", latin);
  CHECK(text.text == "Die Schl\u00fcssel und die T\u00fcren drehen sich im Kreis");
  CHECK(at_origin(text, latin, "T\u00fcren").starts_with("T\xfcren"));
  CHECK(text_of_range(ContentKind::plain, as_bytes(latin)) == text.text);
}

TEST_CASE("what is no text is skipped with a reason") {
  CHECK(of("a.txt", std::string(1 << 20, '\0')).skipped != nullptr);
  CHECK(of("a.txt", "text with a \0 byte"s).skipped != nullptr);
  CHECK(of("a.md",
           "\x7f"
           "ELF\x02\x01\x01")
            .skipped != nullptr);
  CHECK(of("a", "\x1f\x8b\x08\x03").skipped != nullptr);
  std::mt19937 random(3);
  std::string noise(4096, '\0');
  for (char& byte : noise) byte = static_cast<char>(1 + random() % 255);
  CHECK(of("a", noise).skipped != nullptr);
  CHECK(of("koi8.txt", "\xf0\xd2\xc9\xd7\xc5\xd4 \xcd\xc9\xd2 \xcb\xcc\xc0\xde").skipped !=
        nullptr);
  CHECK(of("a", utf16(std::u16string(100, u'\1'), true)).skipped != nullptr);
}

TEST_CASE("a file that is cut within a character is text up to it") {
  const std::string whole = "keys \u00e9\u00e9\u00e9";
  const Bytes head = as_bytes(std::string_view(whole).substr(0, whole.size() - 1));
  const Extracted cut = extract("a.txt", head, 1 << 30);
  CHECK(cut.cut);
  CHECK(cut.text == "keys \u00e9\u00e9");
}

TEST_CASE("HTML gives what a browser shows, and where it stands") {
  const std::string file =
      "<!DOCTYPE html>\n<html><head><title>Keys &amp; Locks</title>\n"
      "<script>var hidden = '<p>no</p>';</script>\n<style>p { hidden }</style></head>\n"
      "<body><!-- hidden --><h1>Turn&nbsp;it</h1><p>First <b>bo</b>ld &#233;&#x1F511; a < b</p>\n"
      "<p>Second\nline</body></html>";
  const Extracted text = of("page.HTML", file);
  CHECK(text.kind == ContentKind::html);
  CHECK(text.text.find("hidden") == std::string::npos);
  CHECK(text.text.find("Keys & Locks") != std::string::npos);
  CHECK(text.text.find("Turn it\n\n") != std::string::npos);
  CHECK(text.text.find("First bold \u00e9\U0001f511 a < b") != std::string::npos);
  CHECK(at_origin(text, file, "Second").starts_with("Second\nline</body>"));
  CHECK(at_origin(text, file, "Keys").starts_with("Keys &amp;"));
  CHECK(line_of(text, "First") == 5);
  CHECK(line_of(text, "line") == 7);
  const std::size_t begin = file.find("Second");
  CHECK(text_of_range(ContentKind::html, as_bytes(std::string_view(file).substr(begin, 11))) ==
        "Second\nline");
}

TEST_CASE("HTML in another encoding keeps both maps") {
  const std::string file = "<p>sch\xf6n</p>\n<p>und gut und besser</p>";
  const Extracted text = of("a.html", file);
  CHECK(text.text.find("sch\u00f6n") != std::string::npos);
  CHECK(at_origin(text, file, "und gut").starts_with("und gut und besser</p>"));
  CHECK(line_of(text, "und gut") == 2);
}

TEST_CASE("hostile markup takes linear time and no stack") {
  const std::size_t size = 4 << 20;
  std::string deep, open, script, refs;
  while (deep.size() < size) deep += "<div>";
  while (open.size() < size) open += "<a ";
  script = "<script>";
  while (script.size() < size) script += "</scrip";
  while (refs.size() < size) refs += "&#x;&&amp";
  for (const std::string& file : {deep, open, script, refs}) {
    const Extracted text = of("a.html", file);
    CHECK(text.skipped == nullptr);
    CHECK(text.text.size() <= file.size());
    CHECK(is_utf8(text.text));
  }
}

TEST_CASE("any bytes of any kind give valid text with rising offsets inside the file") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    static const char* const kPieces[] = {"<p>",      "</",  "<",        ">",      "&lt;",
                                          "\xff\xfe", "\n",  "key",      "\u00e9", "\xe9",
                                          "<!--",     "-->", "<script>", "&#65;",  "x "};
    std::string file;
    for (std::size_t i = 0, n = random() % 40; i < n; ++i)
      file += kPieces[random() % std::size(kPieces)];
    for (const char* name : {"a.txt", "a.html"}) {
      const Extracted text = of(name, file);
      CHECK(is_utf8(text.text));
      std::uint32_t before = 0;
      for (std::uint32_t at = 0; at <= text.text.size(); ++at) {
        const std::uint32_t offset = text.file_offset(at);
        CHECK(offset >= before);
        CHECK(offset <= file.size());
        before = offset;
      }
      CHECK(is_utf8(text_of_range(kind_of(name), as_bytes(file))));
    }
  }
}

TEST_SUITE_END();
