// SPDX-License-Identifier: Apache-2.0
// Column: borrowed view of fixed-size cells, one a slot, in segments of kSegmentSlots.
// The segments never move and outlive the view. Threads: any, of slots whose cell was published.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "vector/rows.h"

namespace vexfs {

struct Column {
  const std::atomic<std::byte*>* segments = nullptr;
  std::size_t first = 0;   // bytes from the segment's begin to its first cell
  std::size_t stride = 0;  // bytes from cell to cell

  // Relaxed: whoever knows the slot got it by an acquire that covers the segment, too.
  std::byte* at(Slot slot) const {
    return segments[slot / kSegmentSlots].load(std::memory_order_relaxed) + first +
           std::size_t{slot % kSegmentSlots} * stride;
  }
};

}  // namespace vexfs
