// SPDX-License-Identifier: Apache-2.0
#include "storage/discard.h"

#include <algorithm>

namespace vexfs {

std::vector<BlockRange> discard_ranges(const std::vector<Extent>& freed, DiscardLimits limits) {
  std::vector<BlockRange> runs;
  runs.reserve(freed.size());
  for (const Extent& extent : freed)
    runs.push_back({.first = static_cast<std::uint64_t>(extent.first), .blocks = extent.blocks});
  std::ranges::sort(runs, {}, &BlockRange::first);
  std::size_t count = 0;
  for (const BlockRange& run : runs) {
    if (count > 0 && runs[count - 1].first + runs[count - 1].blocks == run.first)
      runs[count - 1].blocks += run.blocks;
    else
      runs[count++] = run;
  }
  runs.resize(count);
  std::erase_if(runs, [&](const BlockRange& run) { return run.blocks < limits.blocks_min; });
  std::ranges::stable_sort(runs, std::greater<>(), &BlockRange::blocks);
  std::vector<BlockRange> ranges;
  for (const BlockRange& run : runs) {
    for (std::uint64_t at = 0; at < run.blocks; at += limits.blocks_max) {
      if (ranges.size() == limits.ranges_max) return ranges;
      ranges.push_back(
          {.first = run.first + at, .blocks = std::min(limits.blocks_max, run.blocks - at)});
    }
  }
  return ranges;
}

}  // namespace vexfs
