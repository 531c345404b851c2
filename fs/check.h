// SPDX-License-Identifier: Apache-2.0
// check_file_system, repair_file_system: the check of a whole volume (`vexfs fsck`): storage,
// search and files. Findings are listed in doc/FSCK.md.
//
// Threads: one caller; nobody may have the volume open.
#pragma once
#include <memory>

#include "storage/check.h"

namespace vexfs {

// Writes nothing. The errors of check_volume().
Result<> check_file_system(BlockDevice& device, const CheckOptions& options, CheckReport& report);

struct RepairOutcome {
  unsigned rounds = 0;   // in which something was written
  bool refused = false;  // a tree cannot be read: nothing was written
};
// Makes again what is derived: free space, ways back, counts, what search has. What follows
// from the rest without a guess is put right; files without a name come to /lost+found.
// Everything is written by transactions, so a crash leaves a volume that can be repaired.
// `first` is what was found before, `last` what is left. `open` gives the device anew, for a
// volume owns the one it stands on.
using OpenDevice = std::function<Result<std::unique_ptr<BlockDevice>>()>;
Result<RepairOutcome> repair_file_system(const OpenDevice& open, const CheckOptions& options,
                                         CheckReport& first, CheckReport& last);

}  // namespace vexfs
