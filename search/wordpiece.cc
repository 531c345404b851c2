// SPDX-License-Identifier: Apache-2.0
#include "search/wordpiece.h"

#include <utf8proc.h>

#include <array>

#include "base/json.h"
#include "search/utf8.h"

namespace vexfs {

namespace {

bool is_space(char32_t c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
         utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ZS;
}

bool is_control(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
      return true;
    default:
      return false;
  }
}

// Signs of ASCII that Unicode does not call punctuation, such as '$' and '+', count too.
bool is_punctuation(char32_t c) {
  if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
      (c >= 123 && c <= 126))
    return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_cjk(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

bool is_mark(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_MN;
}

bool flag(const Json& json, const char* name, bool otherwise) {
  const auto found = json.find(name);
  return found != json.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

std::string type_of(const Json& json) {
  const auto found = json.is_object() ? json.find("type") : json.end();
  return json.is_object() && found != json.end() && found->is_string() ? found->get<std::string>()
                                                                       : "";
}

}  // namespace

Result<WordPiece> WordPiece::parse(std::string_view json) {
  VEXFS_TRY(const Json whole, parse_json(json));
  if (!whole.is_object() || !whole.contains("model") || !whole["model"].is_object())
    return fail(EINVAL, "tokenizer: it has no model");
  const Json& model = whole["model"];
  if (!model.contains("vocab") || !model["vocab"].is_object() ||
      (model.contains("type") && type_of(model) != "WordPiece"))
    return fail(EINVAL, "tokenizer: only WordPiece is known");
  WordPiece pieces;
  for (const auto& [text, id] : model["vocab"].items()) {
    if (!id.is_number_unsigned()) return fail(EINVAL, "tokenizer: an id that is no number");
    pieces.ids_[text] = id.get<std::uint32_t>();
  }
  if (const auto found = model.find("continuing_subword_prefix");
      found != model.end() && found->is_string())
    pieces.continues_ = found->get<std::string>();
  if (const auto found = model.find("max_input_chars_per_word");
      found != model.end() && found->is_number_unsigned())
    pieces.letters_max_ = found->get<std::size_t>();
  // An unknown word has no vector, so the word for unknown ones is not needed.
  if (const auto found = model.find("unk_token"); found != model.end() && found->is_string())
    pieces.ids_.erase(found->get<std::string>());
  if (!whole.contains("normalizer") || type_of(whole["normalizer"]) != "BertNormalizer" ||
      !whole.contains("pre_tokenizer") || type_of(whole["pre_tokenizer"]) != "BertPreTokenizer")
    return fail(EINVAL, "tokenizer: only the normalizer and words of BERT are known");
  const Json& normalizer = whole["normalizer"];
  pieces.clean_ = flag(normalizer, "clean_text", true);
  pieces.split_cjk_ = flag(normalizer, "handle_chinese_chars", true);
  pieces.lower_ = flag(normalizer, "lowercase", true);
  pieces.accents_ = !flag(normalizer, "strip_accents", pieces.lower_);
  return pieces;
}

void WordPiece::add_word(std::string_view word, std::vector<std::uint32_t>& into) const {
  std::vector<std::size_t> borders;  // of its letters
  for (std::size_t at = 0; at < word.size(); at += first_code_point(word.substr(at)).bytes)
    borders.push_back(at);
  if (borders.size() > letters_max_) return;
  borders.push_back(word.size());
  std::vector<std::uint32_t> found;
  std::string piece;
  for (std::size_t from = 0; from + 1 < borders.size();) {
    std::size_t to = borders.size() - 1;
    for (; to > from; --to) {
      piece = from == 0 ? "" : continues_;
      piece += word.substr(borders[from], borders[to] - borders[from]);
      if (const auto hit = ids_.find(piece); hit != ids_.end()) {
        found.push_back(hit->second);
        break;
      }
    }
    if (to == from) return;  // it cannot be spelt
    from = to;
  }
  into.insert(into.end(), found.begin(), found.end());
}

std::vector<std::uint32_t> WordPiece::ids(std::string_view text, std::size_t ids_max) const {
  std::vector<std::uint32_t> found;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) add_word(word, found);
    word.clear();
  };
  const auto add = [&](char32_t c) {
    if (!accents_ && is_mark(c)) return;
    if (lower_) c = static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
    const bool alone = is_punctuation(c);
    if (alone) end_word();
    append_utf8(word, c);
    if (alone) end_word();
  };
  for (std::size_t at = 0; at < text.size() && found.size() < ids_max;) {
    const CodePoint point = first_code_point(text.substr(at));
    at += point.bytes;
    const char32_t c = point.value;
    if (c == kNotUtf8 || (clean_ && (c == 0 || c == 0xfffd))) continue;
    if (is_space(c)) {
      end_word();
      continue;
    }
    if (clean_ && is_control(c)) continue;
    const bool alone = split_cjk_ && is_cjk(c);
    if (alone) end_word();
    if (accents_) {
      add(c);
    } else {
      std::array<utf8proc_int32_t, 32> parts;
      const utf8proc_ssize_t count =
          utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), parts.size(),
                                  UTF8PROC_DECOMPOSE, nullptr);
      for (utf8proc_ssize_t i = 0; i < std::min<utf8proc_ssize_t>(count, parts.size()); ++i)
        add(static_cast<char32_t>(parts[static_cast<std::size_t>(i)]));
    }
    if (alone) end_word();
  }
  end_word();
  if (found.size() > ids_max) found.resize(ids_max);
  return found;
}

}  // namespace vexfs
