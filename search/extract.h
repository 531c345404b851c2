// SPDX-License-Identifier: Apache-2.0
// Extract: from the bytes of a file to text, or to a reason why there is none.
//
//   by its first bytes  PDF -> foreign     HTML, XML -> text    images, archives, … -> skipped
//   by all of them      UTF-8, UTF-16 (with or without BOM) -> text
//                       NUL bytes, mostly control           -> skipped
//                       anything else: foreign; where nobody knows better, Latin-1
//
// What is foreign is read by another process (extract_process.h); adopt() takes what it found.
//
// Always: the text is valid UTF-8; each of its bytes knows which byte of the file it came from;
// time and memory are linear in what is passed. Threads: any.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "search/extract_process.h"

namespace vexfs {

inline constexpr std::uint64_t kExtractBytesMax = 8 << 20;  // of a file; the rest is not indexed

// The numbers are part of the format (ChunkRecord).
enum class ContentKind : std::uint8_t { plain, markdown, html, code, json };

// By the suffix of a file's name; plain when it says nothing.
ContentKind kind_of(std::string_view name);

struct Extracted {
  // From `text` on, text and file advance byte by byte, until the next run.
  struct Run {
    std::uint32_t text = 0, file = 0;
    std::uint32_t line = 1;  // of the file, where the run begins
  };
  ContentKind kind = ContentKind::plain;
  std::string text = {};          // empty when skipped, or when there is nothing to read
  std::vector<Run> runs = {};     // ascending, the last one its end; empty: the text is the file
  const char* skipped = nullptr;  // why: "binary", …; static text for user.vexfs.status
  bool cut = false;               // the file is longer than what was passed
  std::optional<ForeignKind> foreign = {};  // somebody else may read it, better or at all
  // The text stands nowhere in the file, and has to be kept.
  bool derived = false;
  std::vector<std::uint32_t> pages = {};  // where each begins in the text; none: it has lines

  // Where in the file the byte `at` of the text came from; at == text.size() is the end.
  std::uint32_t file_offset(std::uint32_t at) const;
  // The file's line that holds it, given that `from` <= `at` stands in line `from_line`.
  std::uint32_t line_of(std::uint32_t at, std::uint32_t from, std::uint32_t from_line) const;
};

// `head` is the file's beginning: all of it, or the first kExtractBytesMax bytes of `file_size`.
Extracted extract(std::string_view name, Bytes head, std::uint64_t file_size);

// In place of what extract() made of a foreign file: the text that was found.
void adopt(Extracted& extracted, ForeignText found);

// Text to show for `bytes`, a chunk's range of a file: decoded and stripped as extract() did,
// valid UTF-8 whatever the bytes are.
std::string text_of_range(ContentKind kind, Bytes bytes);

}  // namespace vexfs
