// SPDX-License-Identifier: Apache-2.0
// Chunker: cuts text into pieces of about a thousand characters, at the strongest border near
// (heading or function, paragraph, line, sentence, word), each with a little of what precedes it.
//
// Always: chunks cover the text in order, none is only white space, none cuts a character; a
// border depends on the text around it, so after an edit borders fall back into step and the
// other chunks keep their bytes. Threads: any.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "search/extract.h"

namespace vexfs {

// Part of every embedder's identity: raise it when the chunks of any text change.
inline constexpr std::uint32_t kChunkerVersion = 2;

struct Chunk {
  std::string_view text = {};                   // in Extracted::text
  std::uint64_t offset = 0;                     // of the file
  std::uint32_t bytes = 0;                      // of the file, from offset
  std::uint32_t first_line = 0, last_line = 0;  // of the file, from 1; or both: its page
};

// Borrowed from `extracted`; empty when it has no text.
std::vector<Chunk> chunks_of(const Extracted& extracted);

}  // namespace vexfs
