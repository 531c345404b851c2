// SPDX-License-Identifier: Apache-2.0
// Formatting of text: the one home of fmt.
#pragma once
#include <fmt/format.h>

namespace vexfs {

using fmt::format;
using fmt::format_to;

}  // namespace vexfs
