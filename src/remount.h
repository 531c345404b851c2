// SPDX-License-Identifier: Apache-2.0
// mount -o remount: the flags that the kernel keeps of a mount, changed while it is in use.
#pragma once
#include <string>

#include "src/mount_options.h"
#include "src/trouble.h"

namespace vexfs {

// ro, rw, and of suid, dev, exec what `options` says. Writable only where the daemon opened the
// volume for writing. With ro everything is durable when it returns.
Outcome<> remount(const std::string& directory, const MountOptions& options);

}  // namespace vexfs
