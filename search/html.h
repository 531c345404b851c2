// SPDX-License-Identifier: Apache-2.0
// HTML: the text that a browser would show, without parsing more than that takes. Tags of blocks
// become line ends, character references characters; scripts, styles and comments nothing.
// One pass, no recursion, whatever the markup is. Threads: any.
#pragma once
#include <string_view>

#include "search/extract.h"

namespace vexfs {

// `into` gets text and runs; the offsets of its runs are of `html`, which is UTF-8.
void strip_html(std::string_view html, Extracted& into);

}  // namespace vexfs
