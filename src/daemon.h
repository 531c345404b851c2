// SPDX-License-Identifier: Apache-2.0
// The daemon: one volume, mounted on one directory, until it is unmounted or told to end.
//
//   volume open, log replayed -> FileSystem open -> mounted -> the mount answers: ready
//   unmounted, or SIGTERM/SIGINT/SIGHUP -> what is parked is answered -> everything written back
//   -> volume closed cleanly -> exit
//
// A crash instead leaves a volume that the next mount recovers, and a dead mount point that
// `vexfs umount` clears.
#pragma once
#include <string>

#include "src/mount_options.h"
#include "src/trouble.h"

namespace vexfs {

struct MountRequest {
  std::string image;      // absolute
  std::string directory;  // absolute
  MountOptions options;
  bool foreground = false;
  std::string log_file;  // empty: stderr in the foreground, default_log_file() otherwise
};

// Background: returns when the mount answers. Foreground: returns when it has ended.
// Call it before any thread is started.
Outcome<> mount_volume(MountRequest request);

}  // namespace vexfs
