// SPDX-License-Identifier: Apache-2.0
// How far the kernel reads ahead of a sequential reader of a FUSE mount.
//
// It is 128 KiB unless the device that the kernel makes for the mount is told otherwise in sysfs,
// which only root may. Asking for more in the answer to INIT alone has no effect.
// Threads: any.
#pragma once
#include <cstddef>
#include <string>

namespace vexfs {

// Tells the device of what is mounted there. False: it stays as it was. Sends no request to the
// mount, so the caller may be who has to answer it.
bool set_kernel_read_ahead(const std::string& mountpoint, std::size_t bytes);

}  // namespace vexfs
