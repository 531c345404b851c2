// SPDX-License-Identifier: Apache-2.0
#include "src/remount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "src/mount_table.h"

namespace vexfs {

namespace {

bool has_word(std::string_view options, std::string_view wanted) {
  while (!options.empty()) {
    const auto comma = options.find(',');
    if (options.substr(0, comma) == wanted) return true;
    options = comma == options.npos ? "" : options.substr(comma + 1);
  }
  return false;
}

int set_flags(const std::string& directory, unsigned long flags) {
  return ::mount(nullptr, directory.c_str(), nullptr, MS_REMOUNT | flags, nullptr) == 0 ? 0 : errno;
}

// A daemon that was mounted with -o ro answers EROFS, whatever the kernel would allow.
bool takes_changes(const std::string& directory) {
  const int file = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return errno != EROFS;
  ::close(file);
  return true;
}

Outcome<> make_durable(const std::string& directory) {
  const int commit = ::open((directory + "/.vexfs/commit").c_str(), O_RDONLY | O_CLOEXEC);
  if (commit < 0) return {};  // mounted with index=0: the daemon's own timer does it
  const int code = ::fsync(commit) == 0 ? 0 : errno;
  ::close(commit);
  if (code != 0) return trouble_errno(directory, code);
  return {};
}

}  // namespace

Outcome<> remount(const std::string& directory, const MountOptions& options) {
  const auto mount = mount_at(directory);
  if (!mount) return trouble(format("{}: no VexFS volume is mounted there", directory));
  unsigned long flags = 0;
  if (!options.suid) flags |= MS_NOSUID;
  if (!options.dev) flags |= MS_NODEV;
  if (has_word(options.kernel_options, "noexec")) flags |= MS_NOEXEC;
  if (has_word(options.kernel_options, "noatime")) flags |= MS_NOATIME;
  if (const int code = set_flags(directory, flags | (options.read_only ? MS_RDONLY : 0)))
    return trouble_errno(directory, code, code == EBUSY ? "a file is open for writing" : "");
  if (options.read_only) return make_durable(directory);
  if (takes_changes(directory)) return {};
  set_flags(directory, flags | MS_RDONLY);
  return trouble(format("{}: its daemon opened the volume read-only", directory),
                 "unmount it, and mount it again without ro");
}

}  // namespace vexfs
