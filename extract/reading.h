// SPDX-License-Identifier: Apache-2.0
// Reading: from the bytes of a file to its text, by libraries that nobody should trust with the
// daemon's memory. Runs in a process that is locked up (extract/sandbox.h); what a library throws
// or the kernel refuses ends that process. Threads: one.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "search/extract_protocol.h"

namespace vexfs {

struct Reading {
  std::string text;                  // UTF-8, at most kExtractTextMax
  std::vector<std::uint32_t> pages;  // where each begins
};

ForeignStatus read_pdf(std::string_view file, Reading& into);
// Text in an encoding that its bytes tell: Latin-1 and its like are left to the daemon.
ForeignStatus read_charset(std::string_view file, Reading& into);

}  // namespace vexfs
