// SPDX-License-Identifier: Apache-2.0
// Preallocation: unwritten extents for what a range of a file lacks, so that later writes to it
// find room on a volume that is full by then.
#pragma once
#include "fs/files_state.h"

namespace vexfs {

// Blocks [from, to) have a place afterwards, in bounded transactions; content and size do not
// change. ENOSPC comes before anything has changed, in nearly all cases.
// Threads: SerialHold and the node's lock for writing are held.
Result<> preallocate(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to);

}  // namespace vexfs
