// SPDX-License-Identifier: Apache-2.0
// An answer as text: records, then the status record, never cut within a record.
#include <cstdlib>

#include "base/text.h"
#include "search/question.h"
#include "search/utf8.h"

namespace vexfs {

namespace {

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char byte : text) {
    switch (byte) {
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += byte;
    }
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8 | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i)
      out += i <= group.size() ? kLetters[bits >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

std::string text_of(const Locator& locator) {
  switch (locator.kind) {
    case Locator::Kind::lines:
      return format("lines {}-{}", locator.first, locator.last);
    case Locator::Kind::page:
      return format("page {}", locator.first);
    case Locator::Kind::row:
      return format("row {}", locator.first);
    case Locator::Kind::none:
      break;
  }
  return "-";
}

std::string record(const Hit& hit, Format form) {
  if (form == Format::json) return to_text(to_json(hit)) + "\n";
  return format("{:.4g}\t{}\t{}\t{}\n", hit.score, escaped(hit.path), text_of(hit.locator),
                escaped(hit.snippet));
}

// A float with the digits it has, not those of the double nearest to it.
double number(float value) {
  return std::strtod(format("{:.7g}", value).c_str(), nullptr);
}

// What stands after the first `shown` hits.
std::string ending(const Answer& answer, std::size_t shown, Format form) {
  const std::size_t all = answer.hits.size();
  if (form == Format::json) {
    Json status = {{"matches", all},
                   {"pending", answer.pending},
                   {"failed", answer.failed},
                   {"left_out", answer.left_out}};
    if (shown < all) status["shown"] = shown;
    return to_text(Json{{"status", std::move(status)}}) + "\n";
  }
  std::string text;
  if (shown < all) text = format("# cut: {} of {} matches shown\n", shown, all);
  return text + format("# matches={} pending={} failed={} left_out={}\n", all, answer.pending,
                       answer.failed, answer.left_out);
}

}  // namespace

Json to_json(const Hit& hit) {
  Json json = {{"score", number(hit.score)},
               {"locator", text_of(hit.locator)},
               {"snippet", repaired_utf8(hit.snippet)},
               {"mtime", hit.mtime.tv_sec}};
  if (is_utf8(hit.path))
    json["path"] = hit.path;
  else
    json["path_b64"] = base64(hit.path);
  if (hit.cosine) json["cosine"] = number(*hit.cosine);
  if (hit.bm25) json["bm25"] = number(*hit.bm25);
  if (hit.distance) json["distance"] = number(*hit.distance);
  return json;
}

std::string render(const Answer& answer, Format format, std::size_t bytes_max) {
  std::string text;
  for (const Hit& hit : answer.hits) {
    text += record(hit, format);
    if (text.size() > bytes_max) break;
  }
  text += ending(answer, answer.hits.size(), format);
  if (text.size() <= bytes_max) return text;

  text.clear();
  std::size_t shown = 0;
  for (const Hit& hit : answer.hits) {
    const std::string next = record(hit, format);
    if (text.size() + next.size() + ending(answer, shown + 1, format).size() > bytes_max) break;
    text += next;
    ++shown;
  }
  return text + ending(answer, shown, format);
}

}  // namespace vexfs
