// SPDX-License-Identifier: Apache-2.0
#include "search/extract.h"

#include <algorithm>
#include <array>

#include "search/html.h"
#include "search/json_text.h"
#include "search/magic.h"
#include "search/utf8.h"

namespace vexfs {

namespace {

constexpr std::array<std::string_view, 5> kMarkdown = {"md", "markdown", "mdown", "rst", "adoc"};
constexpr std::array<std::string_view, 9> kHtml = {"html", "htm", "xhtml", "svg", "xml",
                                                   "xsl",  "rss", "atom",  "xsd"};
constexpr std::array<std::string_view, 6> kJson = {"json",    "jsonl", "ndjson",
                                                   "geojson", "ipynb", "webmanifest"};
constexpr std::array<std::string_view, 46> kCode = {
    "c",   "cc",   "cpp", "cxx",  "h",     "hh", "hpp",   "hxx",   "py",   "js", "ts",  "jsx",
    "tsx", "java", "kt",  "go",   "rs",    "rb", "php",   "pl",    "pm",   "sh", "zsh", "bash",
    "lua", "sql",  "cs",  "fs",   "swift", "m",  "mm",    "scala", "hs",   "ml", "ex",  "exs",
    "erl", "clj",  "el",  "lisp", "r",     "jl", "cmake", "zig",   "dart", "vim"};

// Code whose lines are this long was made by a machine.
constexpr std::size_t kMinifiedBytesMin = 4096, kMinifiedLineMean = 400;
// As UTF-16 without a mark: so many of either byte of the units are zero, and none of the others.
constexpr std::size_t kSniffedBytes = 4096, kZeroesShare = 3;

// One letter in so many may be a control character before a file counts as binary.
constexpr std::size_t kLettersPerControl = 64;

bool is_control(unsigned char byte) {
  return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f' &&
          byte != 0x1b) ||
         byte == 0x7f;
}

std::size_t controls_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return is_control(static_cast<unsigned char>(c)); }));
}

// Appends code points that take other numbers of bytes in text and file.
class RunWriter {
 public:
  explicit RunWriter(Extracted& into) : into_(into) {}
  void add(char32_t value, std::size_t file_at) {
    const auto text_at = static_cast<std::uint32_t>(into_.text.size());
    if (into_.runs.empty() || file_at - into_.runs.back().file != text_at - into_.runs.back().text)
      into_.runs.push_back(
          {.text = text_at, .file = static_cast<std::uint32_t>(file_at), .line = line_});
    append_utf8(into_.text, value);
    if (value == '\n') ++line_;
  }
  // Bytes that made no text, as half a unit at the end, belong to nothing.
  void finish(std::size_t file_size) {
    into_.runs.push_back({.text = static_cast<std::uint32_t>(into_.text.size()),
                          .file = static_cast<std::uint32_t>(file_size),
                          .line = line_});
  }

 private:
  Extracted& into_;
  std::uint32_t line_ = 1;
};

void decode_utf16(std::string_view bytes, std::size_t from, bool big, Extracted& into) {
  RunWriter writer(into);
  const auto unit = [&](std::size_t at) {
    const auto low = static_cast<unsigned char>(bytes[at + (big ? 1 : 0)]);
    const auto high = static_cast<unsigned char>(bytes[at + (big ? 0 : 1)]);
    return static_cast<char32_t>(high << 8 | low);
  };
  for (std::size_t at = from; at + 1 < bytes.size(); at += 2) {
    char32_t value = unit(at);
    const std::size_t began = at;
    if (value >= 0xd800 && value <= 0xdbff && at + 3 < bytes.size()) {
      const char32_t second = unit(at + 2);
      if (second >= 0xdc00 && second <= 0xdfff) {
        value = 0x10000 + ((value - 0xd800) << 10) + (second - 0xdc00);
        at += 2;
      }
    }
    if (value >= 0xd800 && value <= 0xdfff) value = U'\ufffd';
    writer.add(value, began);
  }
  writer.finish(bytes.size());
}

void decode_latin1(std::string_view bytes, Extracted& into) {
  RunWriter writer(into);
  for (std::size_t at = 0; at < bytes.size(); ++at)
    writer.add(static_cast<unsigned char>(bytes[at]), at);
  writer.finish(bytes.size());
}

// Without a code point that the cut has halved.
std::string_view without_half(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    const std::size_t wants = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return wants > back ? text.substr(0, text.size() - back) : text;
  }
  return text;
}

// Whether the high byte of each unit comes first, if it looks like UTF-16 of mostly Latin text.
std::optional<bool> utf16_without_mark(std::string_view bytes) {
  if (bytes.size() < 4 || bytes.size() % 2 != 0) return std::nullopt;
  const std::string_view head = bytes.substr(0, kSniffedBytes);
  std::size_t zeroes[2] = {0, 0};
  for (std::size_t at = 0; at < head.size(); ++at) zeroes[at % 2] += head[at] == '\0';
  for (const std::size_t half : {0u, 1u})
    if (zeroes[1 - half] == 0 && zeroes[half] * 2 * kZeroesShare > head.size()) return half == 0;
  return std::nullopt;
}

// Reason why it is no text, or null.
const char* decode(std::string_view bytes, Extracted& into) {
  if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) {
    decode_utf16(bytes, 2, bytes[0] == '\xfe', into);
    return controls_in(into.text) * kLettersPerControl > into.text.size() ? "binary" : nullptr;
  }
  if (const auto big = utf16_without_mark(bytes)) {
    decode_utf16(bytes, 0, *big, into);
    return controls_in(into.text) * kLettersPerControl > into.text.size() ? "binary" : nullptr;
  }
  if (bytes.find('\0') != std::string_view::npos ||
      controls_in(bytes) * kLettersPerControl > bytes.size())
    return "binary";
  const std::string_view whole = into.cut ? without_half(bytes) : bytes;
  if (is_utf8(whole)) {
    const bool marked = whole.starts_with("\xef\xbb\xbf");
    into.text = whole.substr(marked ? 3 : 0);
    if (marked) {
      const auto lines = static_cast<std::uint32_t>(std::ranges::count(into.text, '\n'));
      const auto size = static_cast<std::uint32_t>(into.text.size());
      into.runs = {{.text = 0, .file = 3, .line = 1},
                   {.text = size, .file = size + 3, .line = lines + 1}};
    }
    return nullptr;
  }
  into.foreign = ForeignKind::charset;
  // Latin-1 is letters with some accents. More high bytes than that is another encoding.
  const auto high = std::ranges::count_if(bytes, [](char c) { return (c & 0x80) != 0; });
  const auto unprintable = std::ranges::count_if(bytes, [](char c) { return (c & 0xe0) == 0x80; });
  if (static_cast<std::size_t>(high) * 3 > bytes.size() ||
      static_cast<std::size_t>(unprintable) * kLettersPerControl > bytes.size())
    return "neither UTF-8, UTF-16 nor Latin-1";
  decode_latin1(bytes, into);
  return nullptr;
}

// `into` maps text to the decoded text, `decoded` that to the file: afterwards into maps both.
// The last run of each is its end.
void compose(Extracted& into, const Extracted& decoded) {
  if (decoded.runs.empty()) return;
  std::vector<Extracted::Run> runs;
  for (std::size_t i = 0; i < into.runs.size(); ++i) {
    const Extracted::Run run = into.runs[i];
    const auto end = static_cast<std::uint32_t>(i + 1 < into.runs.size() ? into.runs[i + 1].text
                                                                         : into.text.size());
    runs.push_back({.text = run.text, .file = decoded.file_offset(run.file), .line = run.line});
    auto inner = std::ranges::upper_bound(decoded.runs, run.file, {}, &Extracted::Run::text);
    for (; inner != decoded.runs.end() && inner->text - run.file < end - run.text; ++inner)
      runs.push_back(
          {.text = run.text + (inner->text - run.file), .file = inner->file, .line = inner->line});
  }
  into.runs = std::move(runs);
}

bool is_minified(const Extracted& extracted) {
  if (extracted.kind != ContentKind::code || extracted.text.size() < kMinifiedBytesMin)
    return false;
  const auto lines = static_cast<std::size_t>(std::ranges::count(extracted.text, '\n')) + 1;
  return extracted.text.size() / lines > kMinifiedLineMean;
}

}  // namespace

std::uint32_t Extracted::file_offset(std::uint32_t at) const {
  if (runs.empty()) return at;
  auto next = std::ranges::upper_bound(runs, at, {}, &Run::text);
  if (next == runs.begin()) return 0;
  const Run& run = *std::prev(next);
  const std::uint32_t offset = run.file + (at - run.text);
  return next == runs.end() ? offset : std::min(offset, next->file);
}

std::uint32_t Extracted::line_of(std::uint32_t at, std::uint32_t from,
                                 std::uint32_t from_line) const {
  const auto next = std::ranges::upper_bound(runs, at, {}, &Run::text);
  if (next != runs.begin() && std::prev(next)->text >= from) {
    from = std::prev(next)->text;
    from_line = std::prev(next)->line;
  }
  const auto begin = text.begin() + from;
  return from_line + static_cast<std::uint32_t>(std::count(begin, text.begin() + at, '\n'));
}

ContentKind kind_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return ContentKind::plain;
  std::string suffix(name.substr(dot + 1));
  for (char& c : suffix)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  if (std::ranges::find(kMarkdown, suffix) != kMarkdown.end()) return ContentKind::markdown;
  if (std::ranges::find(kHtml, suffix) != kHtml.end()) return ContentKind::html;
  if (std::ranges::find(kJson, suffix) != kJson.end()) return ContentKind::json;
  if (std::ranges::find(kCode, suffix) != kCode.end()) return ContentKind::code;
  return ContentKind::plain;
}

Extracted extract(std::string_view name, Bytes head, std::uint64_t file_size) {
  Extracted extracted{.kind = kind_of(name), .cut = file_size > head.size()};
  const Sniffed sniffed = sniff(as_text(head));
  if (sniffed.magic == Magic::pdf) {
    extracted.foreign = ForeignKind::pdf;
    extracted.skipped = "no reader for PDF is installed";
    return extracted;
  }
  if (sniffed.magic == Magic::html) extracted.kind = ContentKind::html;
  extracted.skipped =
      sniffed.magic == Magic::binary ? sniffed.reason : decode(as_text(head), extracted);
  if (extracted.skipped == nullptr && is_minified(extracted)) extracted.skipped = "minified";
  if (extracted.skipped != nullptr) {
    extracted.text.clear();
    extracted.runs.clear();
    return extracted;
  }
  const bool html = extracted.kind == ContentKind::html;
  if (!html && (extracted.kind != ContentKind::json || !has_escapes(extracted.text)))
    return extracted;
  Extracted stripped{.kind = extracted.kind, .cut = extracted.cut, .foreign = extracted.foreign};
  if (html)
    strip_html(extracted.text, stripped);
  else
    unescape_json(extracted.text, stripped);
  compose(stripped, extracted);
  return stripped;
}

void adopt(Extracted& extracted, ForeignText found) {
  const bool pdf = extracted.foreign == ForeignKind::pdf;
  if (found.status == ForeignStatus::latin) return;
  extracted.foreign.reset();
  extracted.runs.clear();
  extracted.skipped = found.status == ForeignStatus::ok ? nullptr : reason_of(found.status);
  extracted.text = std::move(found.text);
  extracted.pages = std::move(found.pages);
  extracted.derived = true;
  if (pdf) extracted.kind = ContentKind::plain;
  if (extracted.skipped == nullptr && pdf &&
      extracted.text.find_first_not_of(" \t\r\n\f") == std::string::npos)
    extracted.skipped = "no text in it, pictures of pages perhaps";
  if (extracted.skipped != nullptr) extracted.text.clear();
}

std::string text_of_range(ContentKind kind, Bytes bytes) {
  const std::string_view raw = as_text(bytes);
  Extracted decoded;
  if (const std::size_t zero = raw.find('\0'); zero != std::string_view::npos) {
    // Of an UTF-16 file, whose mark is elsewhere: letters of most scripts have a zero half.
    decode_utf16(raw, 0, zero % 2 == 0, decoded);
  } else if (is_utf8(raw)) {
    decoded.text = raw;
  } else {
    decode_latin1(raw, decoded);
  }
  if (kind != ContentKind::html && kind != ContentKind::json) return std::move(decoded.text);
  Extracted stripped;
  if (kind == ContentKind::html)
    strip_html(decoded.text, stripped);
  else
    unescape_json(decoded.text, stripped);
  return std::move(stripped.text);
}

}  // namespace vexfs
