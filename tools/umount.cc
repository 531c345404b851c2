// SPDX-License-Identifier: Apache-2.0
#include "src/unmount.h"

#include "src/mount_table.h"
#include "src/open_volume.h"
#include "tools/commands.h"

namespace vexfs {

namespace {

// Writing a full cache back to a slow disk takes long; this only guards against for ever.
constexpr unsigned kReleaseSecondsMax = 600;

struct UmountWords {
  std::string target;
  bool lazy = false;
};

void declare(CLI::App& command, UmountWords& words) {
  command.add_option("directory", words.target, "where it is mounted, or its image")->required();
  command.add_flag("--lazy", words.lazy,
                   "take it from the tree though it is in use; the daemon ends with its last user");
}

Exit run(const UmountWords& words) {
  const auto path = absolute_path(words.target);
  if (!path) return report(path.error());
  auto mount = mount_at(*path);
  if (!mount) mount = mount_of_image(*path);
  if (!mount)
    return report({format("{}: no VexFS volume is mounted there", words.target),
                   "see what is with: findmnt -t fuse.vexfs"});
  const auto done = unmount(mount->directory, words.lazy ? Unmount::lazy : Unmount::now);
  if (!done) {
    const int code = done.error().code;
    return report({format("{}: {}", mount->directory, std::strerror(code)),
                   code == EBUSY ? format("who uses it is shown by: fuser -vm {}", mount->directory)
                   : code == EPERM ? "only who mounted it, or root, may unmount it"
                                   : ""});
  }
  if (words.lazy) return Exit::found;
  // The kernel lets go at once, the daemon when everything is written: only then is the image
  // whole, to be copied or mounted again.
  const auto released = wait_until_released(mount->image, kReleaseSecondsMax);
  return released ? Exit::found : report(released.error());
}

}  // namespace

void add_umount(CLI::App& app, Exit& exit) {
  add_command<UmountWords>(app, exit, "umount", "Unmount; returns when everything is written",
                           "vexfs umount ~/notes", run, declare);
}

}  // namespace vexfs
