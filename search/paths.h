// SPDX-License-Identifier: Apache-2.0
// Paths: where a file stands, computed from its names and parents now, never stored.
// Threads: any; no lock of search or fs may be held (FileView takes its own).
#pragma once
#include <string>

#include "search/file_view.h"

namespace vexfs {

inline constexpr int kDepthMax = 2048;  // a path is at most 4096 bytes; a longer chain is a loop

// The path of `ino` relative to `scope` ("ops/keys.md", "." for the scope itself), by its first
// name that lies in the subtree. ENOENT when none does.
Result<std::string> path_below(FileView& files, Ino ino, Ino scope);
// Whether `caller` may enter `directory` and every directory above it.
bool may_reach(FileView& files, const Caller& caller, Ino directory);
// Whether `caller` may read the file and reach it under at least one of its names.
bool may_find(FileView& files, const Caller& caller, Ino file);

}  // namespace vexfs
