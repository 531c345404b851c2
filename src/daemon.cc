// SPDX-License-Identifier: Apache-2.0
#include "src/daemon.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/log.h"
#include "base/memory_governor.h"
#include "fs/file_system.h"
#include "fs/fuse_session.h"
#include "src/background.h"
#include "src/mount_table.h"
#include "src/open_volume.h"
#include "src/termination.h"

namespace vexfs {

namespace {

void log_opened(const Volume& volume, const std::string& image) {
  const VolumeInfo info = volume.info();
  if (!info.was_clean)
    log(Level::warn, "mount", "was not unmounted cleanly: recovered from its log",
        {{"image", image}, {"epoch", info.mount_epoch}});
  log(Level::info, "mount", "volume opened",
      {{"image", image}, {"bytes", info.size_bytes}, {"epoch", info.mount_epoch}});
}

FuseOptions fuse_options(const MountRequest& request, Readiness& readiness) {
  return {.mountpoint = request.directory,
          .source = request.image,
          .kernel_options = request.options.kernel_options,
          .read_only = request.options.read_only,
          .allow_other = request.options.allow_other,
          .suid = request.options.suid,
          .dev = request.options.dev,
          .acl = request.options.files.acl,
          .writeback = request.options.writeback,
          .auto_unmount = request.options.auto_unmount,
          .on_ready = [&readiness] { readiness.ready(); }};
}

std::unexpected<Trouble> refused_mount(const MountRequest& request) {
  if (::access("/dev/fuse", R_OK | W_OK) != 0)
    return trouble_errno("/dev/fuse", errno,
                         errno == ENOENT ? "load the kernel's module: modprobe fuse"
                                         : "mount as root, or let users open it: chmod 666");
  const bool logged = !request.log_file.empty();
  return trouble(format("{}: the mount was refused", request.directory),
                 logged ? format("the reason is in {}", request.log_file) : "");
}

// Serves until the mount ends, then makes everything durable.
Outcome<> serve_volume(const MountRequest& request, Readiness& readiness) {
  VolumeOptions volume_options = request.options.volume;
  FileSystemOptions files_options = request.options.files;
  if (files_options.memory_bytes == 0)
    files_options.memory_bytes = default_memory_budget(MemoryReader().read());
  volume_options.cache_bytes = memory_shares(files_options.memory_bytes).page_cache;
  auto opened = open_volume(request.image, volume_options,
                            [&readiness](std::string_view text) { readiness.note(text); });
  if (!opened) return std::unexpected(opened.error());
  const std::unique_ptr<Volume> volume = *std::move(opened);
  log_opened(*volume, request.image);
  auto files = FileSystem::open(*volume, files_options);
  if (!files) return std::unexpected(volume_trouble(request.image, files.error()));

  auto session = FuseSession::mount(**files, fuse_options(request, readiness));
  if (!session) {
    static_cast<void>((*files)->close());
    static_cast<void>(volume->close());
    return refused_mount(request);
  }
  Result<> served;
  {
    Termination termination(**session, request.directory);
    served = (*session)->run();
    (*session)->unmount();
  }
  const Result<> written = (*files)->close();
  const Result<> closed = volume->close();
  for (const Result<>& step : {served, written, closed})
    if (!step) return std::unexpected(volume_trouble(request.image, step.error()));
  log(Level::info, "mount", "unmounted cleanly", {{"image", request.image}});
  return {};
}

// The kernel holds calls to a new mount back until the daemon has answered its first message.
Outcome<> check_that_it_answers(const std::string& directory, const std::string& log_file) {
  struct statvfs facts{};
  if (::statvfs(directory.c_str(), &facts) == 0) return {};
  return trouble_errno(directory, errno, format("the daemon's log is {}", log_file));
}

Outcome<> log_to(const std::string& log_file) {
  const int log = ::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (log < 0) return trouble_errno(log_file, errno);
  ::dup2(log, STDERR_FILENO);
  ::close(log);
  set_log_stamped(true);
  return {};
}

}  // namespace

Outcome<> mount_volume(MountRequest request) {
  if (auto good = check_mountpoint(request.directory); !good) return good;
  if (const auto mount = mount_of_image(request.image))
    return trouble(format("{}: already mounted on {}", request.image, mount->directory),
                   format("unmount it first with: vexfs umount {}", mount->directory));
  if (request.foreground) {
    if (!request.log_file.empty())
      if (auto redirected = log_to(request.log_file); !redirected) return redirected;
    Termination::block_signals();
    Readiness nobody;
    return serve_volume(request, nobody);
  }
  if (request.log_file.empty()) {
    auto log_file = default_log_file(request.image);
    if (!log_file) return std::unexpected(log_file.error());
    request.log_file = *std::move(log_file);
  }
  const auto daemon = [&request](Readiness& readiness) {
    Termination::block_signals();
    const auto served = serve_volume(request, readiness);
    if (!served) readiness.failed(served.error());
    return served ? 0 : 2;
  };
  if (auto started = start_in_background(request.log_file, daemon); !started) return started;
  return check_that_it_answers(request.directory, request.log_file);
}

}  // namespace vexfs
