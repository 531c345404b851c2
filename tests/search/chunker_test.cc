// SPDX-License-Identifier: Apache-2.0
// Goal: chunks cover a text, begin where a reader would begin, and keep their bytes when the text
// changes elsewhere. Method: properties over random texts; edits in the middle.
#include "search/chunker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

#include "search/utf8.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/chunker");

namespace {
Extracted of(std::string_view name, std::string_view bytes) {
  return extract(name, as_bytes(bytes), bytes.size());
}
std::string random_prose(std::mt19937& random, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    for (std::size_t i = 0, n = 3 + random() % 9; i < n; ++i) {
      for (std::size_t j = 0, m = 2 + random() % 8; j < m; ++j)
        text += static_cast<char>('a' + random() % 26);
      text += ' ';
    }
    text.back() = '.';
    text += random() % 6 == 0 ? "\n\n" : random() % 3 == 0 ? "\n" : " ";
    if (random() % 20 == 0) text += "\u00e9\u6771 ";
  }
  return text;
}
void check_properties(const Extracted& text, std::string_view file) {
  std::size_t covered = 0;  // of the file: everything before is in a chunk or white space
  for (const Chunk& chunk : chunks_of(text)) {
    CHECK_FALSE(chunk.text.empty());
    CHECK(chunk.text.size() <= 2000);
    CHECK(is_utf8(chunk.text));
    CHECK(chunk.offset + chunk.bytes <= file.size());
    CHECK(chunk.first_line <= chunk.last_line);
    if (text.runs.empty()) {
      CHECK(file.substr(chunk.offset, chunk.bytes) == chunk.text);
      const auto lines_before = [&](std::size_t at) {
        return 1 + std::ranges::count(file.substr(0, at), '\n');
      };
      CHECK(chunk.first_line == lines_before(chunk.offset));
      CHECK(chunk.last_line == lines_before(chunk.offset + chunk.bytes - 1));
      for (; covered < chunk.offset; ++covered)
        CHECK(std::string_view(" \n\t\r\f").find(file[covered]) != std::string_view::npos);
      covered = std::max<std::size_t>(covered, chunk.offset + chunk.bytes);
    }
  }
}
}  // namespace

TEST_CASE("a short text is one chunk, an empty one none") {
  CHECK(chunks_of(of("a.txt", "")).empty());
  CHECK(chunks_of(of("a.txt", " \n\t\r\n ")).empty());
  const auto extracted = of("a.txt", "\n keys\nand locks\n\n");
  const auto chunks = chunks_of(extracted);
  REQUIRE(chunks.size() == 1);
  CHECK(chunks[0].text == "keys\nand locks");
  CHECK(chunks[0].offset == 2);
  CHECK(chunks[0].first_line == 2);
  CHECK(chunks[0].last_line == 3);
}

TEST_CASE("chunks cover any text, with exact bytes and lines") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 30; ++round) {
    const std::string file = random_prose(random, random() % 20000);
    for (const char* name : {"a.txt", "a.md", "a.cc", "a.html"})
      check_properties(of(name, file), file);
  }
}

TEST_CASE("chunks begin at headings and functions where there are some") {
  std::mt19937 random(5);
  std::string markdown, code;
  for (int i = 0; i < 12; ++i) {
    markdown += "## Part " + std::to_string(i) + "\n\n" + random_prose(random, 700) + "\n\n";
    code += "int f" + std::to_string(i) + "() {\n";
    for (int j = 0; j < 18; ++j) code += "  call(" + std::to_string(j) + ", something, other);\n\n";
    code += "}\n\n";
  }
  const Extracted text = of("a.md", markdown), source = of("a.cc", code);
  for (const Chunk& chunk : chunks_of(text)) CHECK(chunk.text.starts_with("## Part"));
  for (const Chunk& chunk : chunks_of(source)) CHECK(chunk.text.starts_with("int f"));
}

TEST_CASE("an edit in the middle leaves most other chunks as they were") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::size_t all = 0, kept = 0;
  for (int round = 0; round < 10; ++round) {
    const std::string before = random_prose(random, 60000);
    std::string after = before;
    after.insert(20000 + random() % 2000, random_prose(random, 1 + random() % 700));
    const Extracted old_text = of("a.txt", before), new_text = of("a.txt", after);
    std::set<std::string> old_chunks;
    for (const Chunk& chunk : chunks_of(old_text)) old_chunks.emplace(chunk.text);
    for (const Chunk& chunk : chunks_of(new_text)) {
      ++all;
      kept += old_chunks.contains(std::string(chunk.text)) ? 1 : 0;
    }
  }
  CHECK(kept * 100 > all * 85);
}

TEST_CASE("one line of many megabytes is cut, at words or anywhere, in linear time") {
  for (const std::string& word : {std::string("keys "), std::string("x"), std::string("\u6771")}) {
    std::string line;
    while (line.size() < kExtractBytesMax) line += word;
    line.resize(kExtractBytesMax);
    const Extracted text = extract("a.txt", as_bytes(line), std::uint64_t{100} << 20);
    CHECK(text.cut);
    const auto chunks = chunks_of(text);
    CHECK(chunks.size() > 4000);
    CHECK(chunks.size() < 16000);
    for (const Chunk& chunk : chunks) {
      if (chunk.text.size() > 2000 || !is_utf8(chunk.text) || chunk.last_line != 1)
        FAIL("a chunk of " << chunk.text.size());
    }
  }
}

TEST_SUITE_END();
