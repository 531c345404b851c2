// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/log.h"
#include "src/daemon.h"
#include "src/mount_table.h"
#include "src/remount.h"
#include "tools/commands.h"

namespace vexfs {

namespace {

struct MountWords {
  std::string image, directory, log_file;
  std::vector<std::string> options;
  bool foreground = false;
  bool pretend = false;
};

void declare(CLI::App& command, MountWords& words) {
  command.add_option("image", words.image, "image file or block device")->required();
  command.add_option("directory", words.directory, "an empty directory")->required();
  command.add_flag("-f,--foreground", words.foreground, "stay in front, log to stderr");
  command.add_option("--log", words.log_file,
                     "the daemon's log (default: /var/log/vexfs/ as root, "
                     "~/.local/state/vexfs/ otherwise)");
  command
      .add_option("-o", words.options,
                  "comma-separated:\n"
                  "ro                 read-only\n"
                  "allow_other        let other users in\n"
                  "suid, dev          obey set-user-id bits, device nodes (root)\n"
                  "noatime, relatime, strictatime, nodiratime, noexec\n"
                  "                   as for mount(8)\n"
                  "acl                POSIX access control lists\n"
                  "remount            change ro or rw of the mount that is there\n"
                  "auto_unmount       free the directory though the daemon crashes\n"
                  "nodiscard          keep freed space of the image\n"
                  "sync=fsync         what fsync promises: strict, fsync, interval=MS, none\n"
                  "commit=5           seconds after which everything is in the log\n"
                  "memory=SIZE        for all that the daemon holds; at least 32M\n"
                  "                   (a quarter of the memory available, 64M to 1G)\n"
                  "readahead=32M      file content read before it is asked for, at most (0: none)\n"
                  "index=0            files only, no search\n"
                  "compress=zstd[:1]  compress file content (off)\n"
                  "index_workers=1    threads that index\n"
                  "writeback          let the kernel gather small writes")
      ->type_name("OPTIONS");
  command.add_flag("--pretend", words.pretend, "check everything, mount nothing")->group("");
}

Outcome<MountRequest> request_of(const MountWords& words) {
  std::string joined;
  for (const std::string& each : words.options) joined += (joined.empty() ? "" : ",") + each;
  auto options = parse_mount_options(joined);
  if (!options) return std::unexpected(options.error());
  auto image = absolute_path(words.image);
  if (!image) {
    image.error().next = format("make a volume with: vexfs mkfs {} --size 20G", words.image);
    return std::unexpected(image.error());
  }
  auto directory = absolute_path(words.directory);
  if (!directory) {
    directory.error().next = format("make it with: mkdir {}", words.directory);
    return std::unexpected(directory.error());
  }
  auto log_file = words.log_file;
  if (!log_file.empty()) log_file = std::filesystem::absolute(log_file).string();
  return MountRequest{.image = *std::move(image),
                      .directory = *std::move(directory),
                      .options = *std::move(options),
                      .foreground = words.foreground,
                      .log_file = std::move(log_file)};
}

Exit run(const MountWords& words) {
  set_log_level(Level::info);
  auto request = request_of(words);
  if (!request) return report(request.error());
  const auto done = words.pretend              ? check_mountpoint(request->directory)
                    : request->options.remount ? remount(request->directory, request->options)
                                               : mount_volume(*std::move(request));
  return done ? Exit::found : report(done.error());
}

}  // namespace

void add_mount(CLI::App& app, Exit& exit) {
  add_command<MountWords>(app, exit, "mount", "Mount a volume; returns when it answers",
                          "vexfs mount notes.vex ~/notes\n"
                          "  vexfs mount notes.vex ~/notes -f -o allow_other,memory=512M",
                          run, declare);
}

}  // namespace vexfs
