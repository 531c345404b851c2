// SPDX-License-Identifier: Apache-2.0
// JSON as text: escapes become what they stand for, so that "caf\u00e9" is a word; the rest stays
// as it is, keys included. One pass that knows no strings from the rest, so a piece of a file is
// read like the whole. Threads: any.
#pragma once
#include <string_view>

#include "search/extract.h"

namespace vexfs {

bool has_escapes(std::string_view json);
// `into` gets text and runs; the offsets of its runs are of `json`, which is UTF-8.
void unescape_json(std::string_view json, Extracted& into);

}  // namespace vexfs
