// SPDX-License-Identifier: Apache-2.0
// Both forms of a question's options meet in set(): one list of keys, one meaning each.
#include "search/question.h"

#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <limits>
#include <utility>

#include "vector/metric.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kAnswersMax = 10000;  // k and ef

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty()) return std::nullopt;
  return value;
}

Result<std::uint32_t> count_of(std::string_view text) {
  const auto value = number_of<std::uint32_t>(text);
  if (!value || *value < 1 || *value > kAnswersMax)
    return fail(EINVAL, "question: k and ef are 1 to 10000");
  return *value;
}

Result<bool> switch_of(std::string_view text) {
  if (text != "0" && text != "1") return fail(EINVAL, "question: a switch is 0 or 1");
  return text == "1";
}

Result<Mode> mode_of(std::string_view text) {
  if (text == "vector") return Mode::vector;
  if (text == "text") return Mode::text;
  if (text == "hybrid") return Mode::hybrid;
  return fail(EINVAL, "question: mode is vector, text or hybrid");
}

Result<Format> format_of(std::string_view text) {
  if (text == "text") return Format::text;
  if (text == "json") return Format::json;
  return fail(EINVAL, "question: format is text or json");
}

// "10k", "3M", "4096": bytes, in powers of 1024 as find(1) and du(1) count.
Result<std::uint64_t> size_of(std::string_view text) {
  constexpr std::string_view kUnits = "kmgt";
  unsigned shift = 0;
  if (!text.empty()) {
    const std::size_t unit = kUnits.find(static_cast<char>(text.back() | 0x20));
    if (unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  const auto value = number_of<std::uint64_t>(text);
  if (!value || *value > (std::numeric_limits<std::uint64_t>::max() >> shift))
    return fail(EINVAL, "question: a size is 4096, 10k, 3M, 2G or 1T");
  return *value << shift;
}

// "2026-01-31": its first second in the daemon's time zone.
std::optional<std::int64_t> day_of(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = number_of<unsigned>(text.substr(0, 4));
  const auto month = number_of<unsigned>(text.substr(5, 2));
  const auto day = number_of<unsigned>(text.substr(8, 2));
  if (!year || !month || !day || *year < 1900) return std::nullopt;
  std::tm parts{};
  parts.tm_year = static_cast<int>(*year) - 1900;
  parts.tm_mon = static_cast<int>(*month) - 1;
  parts.tm_mday = static_cast<int>(*day);
  parts.tm_isdst = -1;
  const std::tm asked = parts;
  const std::time_t seconds = std::mktime(&parts);
  // mktime makes 3 March of 31 February: what is no day is refused instead.
  if (parts.tm_mon != asked.tm_mon || parts.tm_mday != asked.tm_mday) return std::nullopt;
  return seconds;
}

// "7d", "12h", "30m", "2w": that long ago; or a day.
Result<std::int64_t> time_of(std::string_view text) {
  if (const auto day = day_of(text)) return *day;
  constexpr std::string_view kUnits = "smhdw";
  constexpr std::array<std::int64_t, 5> kSeconds = {1, 60, 3600, 86400, 7 * 86400};
  if (text.size() >= 2) {
    const std::size_t unit = kUnits.find(text.back());
    const auto value = number_of<std::uint32_t>(text.substr(0, text.size() - 1));
    if (value && unit != std::string_view::npos)
      return std::time(nullptr) - std::int64_t{*value} * kSeconds[unit];
  }
  return fail(EINVAL, "question: a time is 7d, 12h, 30m, 2w or 2026-01-31");
}

Result<float> score_of(std::string_view text) {
  const auto value = number_of<float>(text);
  if (!value || !std::isfinite(*value)) return fail(EINVAL, "question: min is a number");
  return *value;
}

Result<std::string> text_of(std::string_view text) {
  if (text.empty()) return fail(EINVAL, "question: name and type are not empty");
  return std::string(text);
}

// What JSON may give for a key; an option in a name is text anyway.
enum class Gives : std::uint8_t { text, integer, size, number, boolean };
enum class Place : std::uint8_t { question, filter, name_only };

template <class Field, class Value>
Result<> assign(Field& field, Result<Value> value) {
  if (!value) return std::unexpected(value.error());
  field = *std::move(value);
  return {};
}

struct Key {
  std::string_view name;
  Gives gives;
  Place place;
  Result<> (*set)(QuestionOptions&, std::string_view);
};
using Options = QuestionOptions;
using Text = std::string_view;
constexpr std::array kKeys = {
    Key{"k", Gives::integer, Place::question,
        [](Options& o, Text t) { return assign(o.k, count_of(t)); }},
    Key{"mode", Gives::text, Place::question,
        [](Options& o, Text t) { return assign(o.mode, mode_of(t)); }},
    Key{"ef", Gives::integer, Place::question,
        [](Options& o, Text t) { return assign(o.ef, count_of(t)); }},
    Key{"exact", Gives::boolean, Place::question,
        [](Options& o, Text t) { return assign(o.exact, switch_of(t)); }},
    Key{"chunks", Gives::boolean, Place::question,
        [](Options& o, Text t) { return assign(o.chunks, switch_of(t)); }},
    Key{"min", Gives::number, Place::question,
        [](Options& o, Text t) { return assign(o.min, score_of(t)); }},
    Key{"format", Gives::text, Place::name_only,
        [](Options& o, Text t) { return assign(o.format, format_of(t)); }},
    Key{"name", Gives::text, Place::filter,
        [](Options& o, Text t) { return assign(o.name, text_of(t)); }},
    Key{"type", Gives::text, Place::filter,
        [](Options& o, Text t) { return assign(o.type, text_of(t)); }},
    Key{"newer", Gives::text, Place::filter,
        [](Options& o, Text t) { return assign(o.newer, time_of(t)); }},
    Key{"older", Gives::text, Place::filter,
        [](Options& o, Text t) { return assign(o.older, time_of(t)); }},
    Key{"larger", Gives::size, Place::filter,
        [](Options& o, Text t) { return assign(o.larger, size_of(t)); }},
    Key{"smaller", Gives::size, Place::filter,
        [](Options& o, Text t) { return assign(o.smaller, size_of(t)); }},
};

const Key* find_key(std::string_view name) {
  for (const Key& key : kKeys)
    if (key.name == name) return &key;
  return nullptr;
}

// Only what the syntax of names needs is escaped; any other '%' is a mistake.
Result<std::string> decoded(std::string_view value) {
  std::string plain;
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (value[at] != '%') {
      plain += value[at];
      continue;
    }
    const std::string_view code = value.substr(at + 1, 2);
    if (code == "2C" || code == "2c")
      plain += ',';
    else if (code == "3A" || code == "3a")
      plain += ':';
    else if (code == "2F" || code == "2f")
      plain += '/';
    else if (code == "25")
      plain += '%';
    else
      return fail(EINVAL, "question: only %2C %3A %2F %25 are decoded");
    at += 2;
  }
  return plain;
}

// The value as parse_options() would see it. EINVAL for another JSON type than the key's.
Result<std::string> option_text(Gives gives, const Json& value) {
  const bool size = gives == Gives::size;
  if ((gives == Gives::text || size) && value.is_string()) return value.get<std::string>();
  if ((gives == Gives::integer || size) && value.is_number_integer()) return to_text(value);
  if (gives == Gives::number && value.is_number()) return to_text(value);
  if (gives == Gives::boolean && value.is_boolean())
    return std::string(value.get<bool>() ? "1" : "0");
  return fail(EINVAL, "question: a value of the wrong JSON type");
}

Result<> set_from_json(QuestionOptions& options, Place place, const std::string& name,
                       const Json& value) {
  const Key* key = find_key(name);
  if (!key || key->place != place) return fail(EINVAL, "question: unknown key");
  VEXFS_TRY(const std::string text, option_text(key->gives, value));
  return key->set(options, text);
}

Result<std::vector<float>> vector_of(const Json& value) {
  if (!value.is_array() || value.empty() || value.size() > kDimensionMax)
    return fail(EINVAL, "question: a vector is a list of 1 to 4096 numbers");
  std::vector<float> vector;
  vector.reserve(value.size());
  for (const Json& element : value) {
    if (!element.is_number()) return fail(EINVAL, "question: a vector holds numbers only");
    const double number = element.get<double>();
    if (!(std::abs(number) <= double{std::numeric_limits<float>::max()}))
      return fail(EINVAL, "question: a number is beyond float32");
    vector.push_back(static_cast<float>(number));
  }
  return vector;
}

Result<> set_from_json(Question& question, const std::string& name, const Json& value) {
  if (name == "vector") return assign(question.vector, vector_of(value));
  if (name == "text" || name == "similar") {
    if (!value.is_string()) return fail(EINVAL, "question: text and similar are strings");
    std::string& field = name == "text" ? question.text : question.similar_path;
    field = value.get<std::string>();
    if (field.find_first_not_of(" \t\r\n") == std::string::npos)
      return fail(EINVAL, "question: empty");
    return {};
  }
  if (name != "filter") return set_from_json(question.options, Place::question, name, value);
  if (!value.is_object()) return fail(EINVAL, "question: filter is an object");
  for (const auto& [filter, wanted] : value.items())
    VEXFS_CHECK(set_from_json(question.options, Place::filter, filter, wanted));
  return {};
}

}  // namespace

Result<QuestionOptions> parse_options(std::string_view text) {
  QuestionOptions options;
  std::array<bool, kKeys.size()> given{};
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view option = text.substr(0, comma);
    const std::size_t equals = option.find('=');
    const Key* key =
        equals == std::string_view::npos ? nullptr : find_key(option.substr(0, equals));
    if (!key) return fail(EINVAL, "question: unknown option");
    bool& once = given[static_cast<std::size_t>(key - kKeys.data())];
    if (std::exchange(once, true)) return fail(EINVAL, "question: an option given twice");
    VEXFS_TRY(const std::string value, decoded(option.substr(equals + 1)));
    VEXFS_CHECK(key->set(options, value));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return fail(EINVAL, "question: options end with a comma");
  }
  return options;
}

namespace {

// Not inline: a parser wants the stack.
[[gnu::noinline]] Result<Question> question_of(const Json& value) {
  if (!value.is_object()) return fail(EINVAL, "question: not a JSON object");
  Question question{.options = {.format = Format::json}};
  for (const auto& [name, field] : value.items()) VEXFS_CHECK(set_from_json(question, name, field));
  const int asked = int{!question.text.empty()} + int{!question.vector.empty()} +
                    int{!question.similar_path.empty()};
  if (asked != 1) return fail(EINVAL, "question: give one of text, vector, similar");
  return question;
}

}  // namespace

Result<Question> parse_question(std::string_view json) {
  VEXFS_TRY(const Json value, parse_json(json));
  return question_of(value);
}

}  // namespace vexfs
