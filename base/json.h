// SPDX-License-Identifier: Apache-2.0
// JSON: the one home of nlohmann-json. Neither call throws.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace vexfs {

using Json = nlohmann::json;

// EINVAL when `text` is not one JSON value nested at most 32 deep.
Result<Json> parse_json(std::string_view text);
// One line. Bytes that are not UTF-8 become U+FFFD.
std::string to_text(const Json& value);

}  // namespace vexfs
