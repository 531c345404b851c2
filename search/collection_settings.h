// SPDX-License-Identifier: Apache-2.0
// CollectionSettings: what the owner of a collection root has fixed; the rest is decided by the
// first vector and by the volume's defaults.
// Threads: values; any.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "vector/metric.h"

namespace vexfs {

// Where a collection does not say.
inline constexpr double kRecallDefault = 0.99, kRecallMin = 0.5;

struct CollectionSettings {
  std::optional<std::uint32_t> dimension;  // of the user space
  std::optional<Metric> metric;            // of the user space
  std::optional<std::string> embedder;     // a name that the volume defines
  std::string ignore = {};                 // lines as of a .vexfsignore in the root
  bool ignore_defaults = true;             // what nobody wants to find is excluded (exclusion.h)
  // Of the k nearest, the part that an approximate search is to find; half percents.
  std::optional<double> recall = std::nullopt;
  friend bool operator==(const CollectionSettings&, const CollectionSettings&) = default;
};

// {"dim":128,"metric":"l2","embedder":"none","ignore":["*.log"],"ignore_defaults":true,
// "recall":0.95}. EINVAL for anything else: an unknown key, a wrong type, a dimension of 0 or over
// kDimensionMax. The error says which, in words for a person.
Result<CollectionSettings> parse_settings(std::string_view json);

// As kept in Tree::collection (space_format.h).
std::string encode_settings(const CollectionSettings& settings);
Result<CollectionSettings> decode_settings(Bytes value);  // EUCLEAN

}  // namespace vexfs
