// SPDX-License-Identifier: Apache-2.0
// Room: the promise of space for pages that a write is about to make dirty.
#pragma once
#include <algorithm>
#include <vector>

#include "fs/files_state.h"

namespace vexfs {

class Room {
 public:
  struct Blocks {
    std::uint64_t first = 0, last = 0;
    std::uint64_t also = 0;  // one more, before them or among them
  };
  // Reserves what is missing and counts the pages as dirty. ENOSPC, EAGAIN: nothing has changed.
  // In a preallocated file pages need nothing where it has blocks that may be written again:
  // unwritten ones, and data where the volume is full.
  static Result<Room> take(FilesState& state, const Node& node, Blocks blocks, Wait wait);

  // Whether the new page of this block has a reservation.
  bool reserved(std::uint64_t block) const {
    return !std::ranges::binary_search(unreserved_, block);
  }

 private:
  Result<> look(FilesState& state, const Node& node, std::uint64_t first, std::uint64_t last,
                Wait wait);
  std::vector<std::uint64_t> unreserved_, data_;  // without, with a reservation if there is one
  std::size_t fresh_ = 0;                         // new pages
};

}  // namespace vexfs
