// SPDX-License-Identifier: Apache-2.0
// Magic: what the first bytes of a file say it is, whatever its name says. Threads: any.
#pragma once
#include <string_view>

namespace vexfs {

enum class Magic : unsigned char { nothing, pdf, html, binary };

struct Sniffed {
  Magic magic = Magic::nothing;
  const char* reason = nullptr;  // binary: static text for user.vexfs.status
};

Sniffed sniff(std::string_view head);

}  // namespace vexfs
