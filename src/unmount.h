// SPDX-License-Identifier: Apache-2.0
// Letting a mount point go, as root or as the user who mounted it (through fusermount3).
// Threads: any.
#pragma once
#include <string>

#include "base/result.h"

namespace vexfs {

enum class Unmount : bool {
  now,   // EBUSY while somebody uses it
  lazy,  // taken from the tree at once; who uses it may go on
};

// EBUSY, EPERM, EINVAL (nothing is mounted there). Works on a dead mount too.
Result<> unmount(const std::string& directory, Unmount how);

}  // namespace vexfs
