// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "tools/commands.h"
#include "tools/mounted.h"

namespace vexfs {

namespace {

struct SyncWords {
  std::string directory = ".";
};

void declare(CLI::App& command, SyncWords& words) {
  command.add_option("directory", words.directory, "anywhere in the mount (default: here)");
}

// The kernel does not tell a FUSE daemon of sync(2): fsync of the commit file does.
Exit run(const SyncWords& words) {
  const auto mount = mount_holding(words.directory);
  if (!mount) return report(mount.error());
  const auto commit = open_hidden(mount->directory, "commit", O_RDONLY);
  if (!commit) return report(commit.error());
  if (::fsync(commit->descriptor()) != 0)
    return report(trouble_errno(mount->directory, errno).error());
  return Exit::found;
}

}  // namespace

void add_sync(CLI::App& app, Exit& exit) {
  add_command<SyncWords>(app, exit, "sync", "Make everything written so far durable",
                         "vexfs sync ~/notes", run, declare);
}

}  // namespace vexfs
