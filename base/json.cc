// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

namespace vexfs {

namespace {
constexpr int kDepthMax = 32;  // a hostile "[[[[…" must not cost stack
}

Result<Json> parse_json(std::string_view text) {
  bool too_deep = false;
  const auto limit = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kDepthMax;
    return depth <= kDepthMax;
  };
  Json value = Json::parse(text, limit, /*allow_exceptions=*/false);
  if (too_deep) return fail(EINVAL, "json: nested too deep");
  if (value.is_discarded()) return fail(EINVAL, "json: not a JSON value");
  return value;
}

std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vexfs
