// SPDX-License-Identifier: Apache-2.0
// A change of a file's length, or of a range of it to a hole, as a part of a Change.
// Threads: SerialHold and the node's lock for writing are held from the first call to the last.
#pragma once
#include "fs/files_state.h"

namespace vexfs {

class Resize {
 public:
  Resize(FilesState& state, Node& node, Change& change)
      : state_(state), node_(node), change_(change) {}

  // Adds the new length to the change. EAGAIN, ENOSPC: nothing has changed.
  Result<> prepare(std::uint64_t size, Wait wait);
  Result<> commit(Wait wait);

 private:
  FilesState& state_;
  Node& node_;
  Change& change_;
  std::uint64_t cut_ = FilePages::kNone;  // first block that goes
  bool rest_ = false;                     // more blocks to free than one transaction can
};

// Makes whole blocks [from, to) a hole, in bounded transactions; the edges are the caller's. Adds
// to `sparse` compressed extents of which little is left.
Result<> make_hole(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to,
                   std::vector<FileExtentGroup>& sparse);

}  // namespace vexfs
