// SPDX-License-Identifier: Apache-2.0
// Greedy: from where a chunk begins, its end is the strongest border in a window; of equal ones
// the one whose surroundings hash highest. Two passes over the same text that start at different
// places choose the same border as soon as it is in both windows, so they fall into step.
#include "search/chunker.h"

#include <algorithm>

#include "base/hash.h"

namespace vexfs {

namespace {

// Bytes. A file of up to kChunkMax stays whole. Cranfield, nDCG@10 of text / trained hybrid: .540/
// .557 at 600 to 1400, .546/.565 at 800 to 1800, .551/.567 at 1000 to 2400, which shows too much.
constexpr std::size_t kChunkMin = 800, kChunkMax = 1800;
constexpr std::size_t kTailMin = 300;  // of the last chunk, without its overlap
constexpr std::size_t kOverlapMax = 160;
static_assert(kChunkMin + kTailMin <= kChunkMax && kOverlapMax < kChunkMin);
constexpr std::size_t kHashedAround = 16;  // on each side of a border

enum class Border : std::uint8_t { none, letter, word, sentence, line, paragraph, heading };

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}
bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}
bool ends_sentence(char c) {
  return c == '.' || c == '!' || c == '?' || c == ';';
}

class Chunker {
 public:
  explicit Chunker(const Extracted& extracted) : extracted_(extracted), text_(extracted.text) {}

  std::vector<Chunk> run() {
    std::vector<Chunk> chunks;
    std::size_t begin = skip_space(0);
    while (begin < text_.size()) {
      const std::size_t end = end_of(begin);
      chunks.push_back(make(chunks.empty() ? begin : begin - overlap_before(begin), end));
      begin = skip_space(end);
    }
    return chunks;
  }

 private:
  std::size_t skip_space(std::size_t at) const {
    while (at < text_.size() && is_space(text_[at])) ++at;
    return at;
  }
  std::size_t skip_space_back(std::size_t at) const {
    while (at > 0 && is_space(text_[at - 1])) --at;
    return at;
  }

  // What a chunk that begins at `at` > 0 would begin with.
  Border border_at(std::size_t at) const {
    const char before = text_[at - 1], here = text_[at];
    if (continues(here)) return Border::none;
    if (before == '\n') {
      if (begins_heading(at)) return Border::heading;
      return at >= 2 && is_blank_before(at) ? Border::paragraph : Border::line;
    }
    if (extracted_.kind == ContentKind::json && (before == ',' || before == '}'))
      return Border::word;
    if (is_space(before) && !is_space(here))
      return at >= 2 && ends_sentence(text_[at - 2]) ? Border::sentence : Border::word;
    return Border::letter;
  }

  // Whether the line before `at`, which begins a line, is blank.
  bool is_blank_before(std::size_t at) const {
    std::size_t back = at - 1;
    while (back > 0 && text_[back - 1] != '\n') {
      if (!is_space(text_[back - 1])) return false;
      --back;
    }
    return true;
  }

  bool begins_heading(std::size_t at) const {
    const char here = text_[at];
    if (extracted_.kind == ContentKind::markdown) return here == '#';
    if (extracted_.kind != ContentKind::code || at < 2 || !is_blank_before(at)) return false;
    // Code that begins in the first column after a blank line: a function, a class, its comment.
    return !is_space(here) && here != '}' && here != ')' && here != ']';
  }

  std::uint64_t surroundings(std::size_t at) const {
    const std::size_t from = at - std::min(at, kHashedAround);
    return hash64(as_bytes(text_.substr(from, at - from + kHashedAround)));
  }

  std::size_t end_of(std::size_t begin) const {
    if (text_.size() - begin <= kChunkMax) return text_.size();
    const std::size_t last = std::min(begin + kChunkMax, text_.size() - kTailMin);
    std::size_t best = last;
    Border best_border = Border::none;
    std::uint64_t best_hash = 0;
    for (std::size_t at = begin + kChunkMin; at <= last; ++at) {
      const Border border = border_at(at);
      if (border < best_border || border == Border::none) continue;
      const std::uint64_t hash = surroundings(at);
      if (border == best_border && hash <= best_hash) continue;
      best = at;
      best_border = border;
      best_hash = hash;
    }
    return best;
  }

  // How much of what stands before `begin` belongs to its chunk too: from the start of a line or
  // a sentence on. Nothing across a heading.
  std::size_t overlap_before(std::size_t begin) const {
    if (border_at(begin) == Border::heading) return 0;
    std::size_t overlap = 0;
    for (std::size_t back = 1; back <= std::min(kOverlapMax, begin - 1); ++back) {
      const Border border = border_at(begin - back);
      if (border >= Border::sentence && !is_space(text_[begin - back])) overlap = back;
      if (border == Border::heading) break;
    }
    return overlap;
  }

  Chunk make(std::size_t begin, std::size_t end) {
    end = skip_space_back(end);
    const auto first = static_cast<std::uint32_t>(begin), last = static_cast<std::uint32_t>(end);
    const std::uint32_t line = extracted_.line_of(first, from_, from_line_);
    from_ = first;
    from_line_ = line;
    const std::uint32_t offset = extracted_.file_offset(first);
    return {.text = text_.substr(begin, end - begin),
            .offset = offset,
            .bytes = extracted_.file_offset(last) - offset,
            .first_line = line,
            .last_line = extracted_.line_of(last - 1, first, line)};
  }

  const Extracted& extracted_;
  const std::string_view text_;
  std::uint32_t from_ = 0, from_line_ = 1;  // where the last chunk began
};

}  // namespace

std::vector<Chunk> chunks_of(const Extracted& extracted) {
  std::vector<Chunk> chunks;
  if (extracted.pages.empty()) {
    chunks = Chunker(extracted).run();
  } else {
    // No chunk is of two pages.
    for (std::size_t page = 0; page < extracted.pages.size(); ++page) {
      const std::size_t begin = extracted.pages[page];
      const std::size_t end =
          page + 1 < extracted.pages.size() ? extracted.pages[page + 1] : extracted.text.size();
      const Extracted one{.kind = extracted.kind,
                          .text = extracted.text.substr(begin, end - begin)};
      for (Chunk& chunk : Chunker(one).run()) {
        const auto at = static_cast<std::size_t>(chunk.text.data() - one.text.data());
        chunk.text = std::string_view(extracted.text).substr(begin + at, chunk.text.size());
        chunk.first_line = chunk.last_line = static_cast<std::uint32_t>(page + 1);
        chunks.push_back(chunk);
      }
    }
  }
  if (extracted.derived)  // no bytes of the file are its text
    for (Chunk& chunk : chunks) chunk.offset = chunk.bytes = 0;
  return chunks;
}

}  // namespace vexfs
