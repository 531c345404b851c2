// SPDX-License-Identifier: Apache-2.0
// The mounts of this machine that are VexFS, from /proc/self/mountinfo.
// Threads: any.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "src/trouble.h"

namespace vexfs {

struct MountEntry {
  std::string directory;  // where it is mounted, absolute
  std::string image;      // the absolute path of its image
  std::string options;    // of the mount point: "rw,nosuid,nodev"
};

// VexFS mounts in the order they were made: of two on one directory the later one is on top.
std::vector<MountEntry> vexfs_mounts();
// The topmost VexFS mount at exactly this absolute directory.
std::optional<MountEntry> mount_at(const std::string& directory);
// The VexFS mount that `path` lies in.
std::optional<MountEntry> mount_around(const std::string& path);
// A mount of this image.
std::optional<MountEntry> mount_of_image(const std::string& image);

// Absolute and without symlinks. Works on a mount point whose daemon is gone, too.
Outcome<std::string> absolute_path(const std::string& path);

// A mountpoint has to be an empty directory that answers.
Outcome<> check_mountpoint(const std::string& directory);

}  // namespace vexfs
