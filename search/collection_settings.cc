// SPDX-License-Identifier: Apache-2.0
#include "search/collection_settings.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "search/space_format.h"

namespace vexfs {

namespace {

enum Given : std::uint8_t { kDimension = 1, kMetric = 2, kEmbedder = 4, kNoDefaults = 8 };

constexpr double kRecallSteps = 200;
constexpr std::size_t kIgnoreSettingMax = 3000;  // bytes; a record has 4096

Result<std::string> lines_of(const Json& value) {
  std::string lines;
  if (!value.is_array()) return fail(EINVAL, "collection: ignore is no list of patterns");
  for (const Json& pattern : value) {
    if (!pattern.is_string() ||
        pattern.get_ref<const std::string&>().find_first_of({"\n\0", 2}) != std::string::npos)
      return fail(EINVAL, "collection: a pattern is one line of text");
    lines += pattern.get_ref<const std::string&>() + "\n";
  }
  if (lines.size() > kIgnoreSettingMax)
    return fail(EINVAL, "collection: ignore is too long, write a .vexfsignore");
  return lines;
}

Result<> parse_one(const std::string& key, const Json& value, CollectionSettings& settings) {
  if (key == "dim") {
    if (!value.is_number_unsigned()) return fail(EINVAL, "collection: dim is no whole number");
    const auto dimension = value.get<std::uint64_t>();
    if (dimension == 0 || dimension > kDimensionMax)
      return fail(EINVAL, "collection: dim must be 1 to 4096");
    settings.dimension = static_cast<std::uint32_t>(dimension);
  } else if (key == "metric") {
    if (!value.is_string()) return fail(EINVAL, "collection: metric is no text");
    settings.metric = metric_of(value.get_ref<const std::string&>());
    if (!settings.metric) return fail(EINVAL, "collection: metric must be cosine, l2 or ip");
  } else if (key == "embedder") {
    if (!value.is_string()) return fail(EINVAL, "collection: embedder is no text");
    settings.embedder = value.get<std::string>();
    if (settings.embedder->empty() || settings.embedder->size() > 255)
      return fail(EINVAL, "collection: an embedder's name has 1 to 255 bytes");
  } else if (key == "ignore") {
    VEXFS_TRY(settings.ignore, lines_of(value));
  } else if (key == "ignore_defaults") {
    if (!value.is_boolean()) return fail(EINVAL, "collection: ignore_defaults is true or false");
    settings.ignore_defaults = value.get<bool>();
  } else if (key == "recall") {
    if (!value.is_number()) return fail(EINVAL, "collection: recall is no number");
    const double recall = value.get<double>();
    if (!(recall >= kRecallMin && recall <= 1))
      return fail(EINVAL, "collection: recall must be 0.5 to 1");
    settings.recall = std::round(recall * kRecallSteps) / kRecallSteps;
  } else {
    return fail(
        EINVAL,
        "collection: unknown setting (dim, metric, embedder, ignore, ignore_defaults, recall)");
  }
  return {};
}

}  // namespace

Result<CollectionSettings> parse_settings(std::string_view json) {
  const auto parsed = parse_json(json);
  if (!parsed || !parsed->is_object())
    return fail(EINVAL, "collection: settings are no JSON object");
  CollectionSettings settings;
  for (const auto& [key, value] : parsed->items()) VEXFS_CHECK(parse_one(key, value, settings));
  return settings;
}

std::string encode_settings(const CollectionSettings& settings) {
  CollectionRecord record{};
  record.version = kSearchRecordVersion;
  if (settings.dimension) {
    record.given |= kDimension;
    record.dimension = *settings.dimension;
  }
  if (settings.metric) {
    record.given |= kMetric;
    record.metric = static_cast<std::uint8_t>(*settings.metric);
  }
  if (settings.embedder) record.given |= kEmbedder;
  if (!settings.ignore_defaults) record.given |= kNoDefaults;
  if (settings.recall)
    record.recall = static_cast<std::uint8_t>(std::lround(*settings.recall * kRecallSteps));
  std::string value(as_text(bytes_of(record)));
  if (settings.embedder) value += *settings.embedder;
  if (!settings.ignore.empty()) (value += '\0') += settings.ignore;
  return value;
}

Result<CollectionSettings> decode_settings(Bytes value) {
  CollectionRecord record;
  if (!read_record(value, record) || record.recall > kRecallSteps || record.metric > 2 ||
      record.dimension > kDimensionMax)
    return fail(EUCLEAN, "collection: a damaged record");
  CollectionSettings settings;
  if (record.given & kDimension) settings.dimension = record.dimension;
  if (record.given & kMetric) settings.metric = static_cast<Metric>(record.metric);
  const std::string_view text = as_text(value.subspan(sizeof record));
  const std::size_t end = std::min(text.find('\0'), text.size());
  if (record.given & kEmbedder) settings.embedder = text.substr(0, end);
  if (end < text.size()) settings.ignore = text.substr(end + 1);
  settings.ignore_defaults = (record.given & kNoDefaults) == 0;
  if (record.recall != 0) settings.recall = record.recall / kRecallSteps;
  return settings;
}

}  // namespace vexfs
