// SPDX-License-Identifier: Apache-2.0
// Which ranges a checkpoint gives back to the host, out of all that it has made free.
#pragma once
#include <cstdint>
#include <vector>

#include "storage/types.h"

namespace vexfs {

struct BlockRange {
  std::uint64_t first = 0, blocks = 0;
  friend bool operator==(const BlockRange&, const BlockRange&) = default;
};

struct DiscardLimits {
  std::uint64_t blocks_min = 16;   // 64 KiB: below that a hole costs the host more than it gives
  std::uint64_t blocks_max = 256;  // 1 MiB at a time, so that foreground gets between
  std::size_t ranges_max = 1024;   // what is beyond stays as it is, on the disk
};

// `freed` (no block twice) merged, without what is too small, cut to size; the longest runs first.
std::vector<BlockRange> discard_ranges(const std::vector<Extent>& freed, DiscardLimits limits);

}  // namespace vexfs
