// SPDX-License-Identifier: Apache-2.0
// Trouble: what went wrong and what to do next, in words for a person. The commands print it;
// below them an Error with an errno is enough.
#pragma once
#include <cstring>
#include <expected>
#include <string>

#include "base/result.h"
#include "base/text.h"

namespace vexfs {

struct [[nodiscard]] Trouble {
  std::string what;       // "notes.vex: not a VexFS volume"
  std::string next = {};  // "make one with: vexfs mkfs notes.vex --size 20G"; may be empty
};

template <class T = void>
using Outcome = std::expected<T, Trouble>;

inline std::unexpected<Trouble> trouble(std::string what, std::string next = {}) {
  return std::unexpected(Trouble{std::move(what), std::move(next)});
}
// "PATH: No such file or directory"
inline std::unexpected<Trouble> trouble_errno(std::string_view path, int code,
                                              std::string next = {}) {
  return trouble(format("{}: {}", path, std::strerror(code)), std::move(next));
}

}  // namespace vexfs
