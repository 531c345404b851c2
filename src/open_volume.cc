// SPDX-License-Identifier: Apache-2.0
#include "src/open_volume.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "src/mount_table.h"

namespace vexfs {

namespace {

using std::chrono::milliseconds;
constexpr unsigned kLockSecondsMax = 30;
constexpr unsigned kNoteAfterSeconds = 1;
constexpr milliseconds kLockPoll{20};
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

Trouble mounted_already(const std::string& image, const MountEntry& mount) {
  return {format("{}: already mounted on {}", image, mount.directory),
          format("unmount it first with: vexfs umount {}", mount.directory)};
}

}  // namespace

Trouble volume_trouble(const std::string& image, const Error& error) {
  switch (error.code) {
    case EBUSY:
      return {format("{}: in use by another process", image),
              "another daemon, perhaps in a container, holds it"};
    case EMEDIUMTYPE:
      return {format("{}: not a VexFS volume", image),
              "make a new one with: vexfs mkfs notes.vex --size 20G"};
    case ENOTSUP:
      return {format("{}: made by a newer VexFS, this is {}", image, VEXFS_VERSION),
              "install that version or a later one"};
    case EFBIG:
      return {format("{}: shorter than its volume, the image has been truncated", image),
              "restore the image from a copy"};
    case EUCLEAN:
      return {format("{}: damaged ({})", image, error.what), "restore the image from a copy"};
    case ENOENT:
      return {format("{}: {}", image, std::strerror(error.code)),
              format("make a volume with: vexfs mkfs {} --size 20G", image)};
    case EACCES:
    case EROFS:
      return {format("{}: {}", image, std::strerror(error.code)),
              "mount it read-only with -o ro, or as its owner"};
    default:
      return {format("{}: {} ({})", image, std::strerror(error.code), error.what)};
  }
}

Outcome<std::unique_ptr<Volume>> open_volume(const std::string& image, const VolumeOptions& options,
                                             std::move_only_function<void(std::string_view)> note) {
  const std::uint64_t begin_ns = monotonic_ns();
  bool noted = false;
  for (;;) {
    auto device = open_file_device(image, {.read_only = options.read_only});
    if (device) {
      auto volume = Volume::open(*std::move(device), options);
      if (!volume) return std::unexpected(volume_trouble(image, volume.error()));
      return *std::move(volume);
    }
    if (device.error().code != EBUSY) return std::unexpected(volume_trouble(image, device.error()));
    if (const auto mount = mount_of_image(image))
      return std::unexpected(mounted_already(image, *mount));
    const std::uint64_t waited_s = (monotonic_ns() - begin_ns) / kNsPerSecond;
    if (waited_s >= kLockSecondsMax) return std::unexpected(volume_trouble(image, device.error()));
    if (waited_s >= kNoteAfterSeconds && !std::exchange(noted, true))
      note(format("{}: waiting for another process to let it go", image));
    std::this_thread::sleep_for(kLockPoll);
  }
}

Outcome<> wait_until_released(const std::string& image, unsigned seconds_max) {
  const std::uint64_t begin_ns = monotonic_ns();
  for (;;) {
    const auto device = open_file_device(image, {.read_only = true});
    if (device || device.error().code != EBUSY) return {};
    if (monotonic_ns() - begin_ns > seconds_max * kNsPerSecond)
      return trouble(format("{}: unmounted, but its daemon has not ended yet", image),
                     "do not copy the image before it has; its log says what it does");
    std::this_thread::sleep_for(kLockPoll);
  }
}

}  // namespace vexfs
