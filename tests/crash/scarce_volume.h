// SPDX-License-Identifier: Apache-2.0
// ScarceVolume: a volume that refuses space when told: ENOSPC to the k-th call that may take some,
// with which nothing has changed, as Volume has it. All else goes to the volume behind.
// Threads: any.
#pragma once
#include <atomic>
#include <memory>

#include "storage/faulty_device.h"
#include "storage/volume.h"

namespace vexfs {

// Which call is refused: 1 is the first; 0: none.
struct SpaceFaults {
  std::uint64_t at = 0;
  bool forever = false;  // that one and all after it
  bool freeing = false;  // a commit that gives back more than it takes counts, too
};

// Counts what it refuses in the history, which outlives it.
std::unique_ptr<Volume> make_scarce(std::unique_ptr<Volume> volume, DeviceHistory& history,
                                    const SpaceFaults& faults);

}  // namespace vexfs
