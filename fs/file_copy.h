// SPDX-License-Identifier: Apache-2.0
// Copies of a range from one file into another, or the same one, that share blocks.
// Threads: the SerialHold of both files is held, and both locks for writing.
#pragma once
#include "fs/files_state.h"

namespace vexfs {

struct CopyRange {
  Node& from;
  Node& to;
  std::uint64_t from_offset = 0, to_offset = 0;
  std::uint64_t length = 0;  // ends at the end of `from` at the latest
};

// Whole blocks become shared, in bounded transactions; the ends, and what cannot be shared, are
// copied into dirty pages. Returns how many bytes, at least one; short where there is much to
// copy. The more of `from` is in memory only, the less is shared.
Result<std::uint64_t> copy_content(FilesState& state, const CopyRange& range);

}  // namespace vexfs
