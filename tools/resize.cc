// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "src/mount_options.h"
#include "src/open_volume.h"
#include "storage/volume.h"
#include "tools/commands.h"
#include "tools/mounted.h"

namespace vexfs {

namespace {

struct ResizeWords {
  std::string target = ".";
  std::string size;
};

void declare(CLI::App& command, ResizeWords& words) {
  command.add_option("target", words.target, "an image or device, or a directory of a mount")
      ->required();
  command.add_option("size", words.size, "the new size, or +SIZE more (a device: all it has)");
}

// What is meant: an image, and where it is mounted, if it is.
struct Target {
  std::string image;
  std::string directory;  // empty: not mounted
};

Outcome<Target> target_of(const std::string& word) {
  struct stat attr{};
  if (::stat(word.c_str(), &attr) == 0 && S_ISDIR(attr.st_mode)) {
    const auto mount = mount_holding(word);
    if (!mount) return std::unexpected(mount.error());
    return Target{.image = mount->image, .directory = mount->directory};
  }
  const auto image = absolute_path(word);
  if (!image) return std::unexpected(image.error());
  const auto mount = mount_of_image(*image);
  return Target{.image = *image, .directory = mount ? mount->directory : ""};
}

// The new size in bytes.
Outcome<std::uint64_t> wanted_bytes(const ResizeWords& words, BlockDevice& device,
                                    std::uint64_t now) {
  if (words.size.empty()) {
    if (device.size_bytes() > now) return device.size_bytes();
    return trouble("how large should it be?", "say a size, as in: vexfs resize notes.vex +10G");
  }
  const bool more = words.size.front() == '+';
  const auto size = parse_size(std::string_view(words.size).substr(more ? 1 : 0));
  if (!size || *size == 0)
    return trouble(format("{}: no size", words.size), "sizes are written 512M, 20G, +10G");
  const std::uint64_t bytes = more ? now + *size : *size;
  if (bytes < now)
    return trouble(format("a volume of {} cannot be made smaller", size_for_people(now)),
                   "make a smaller one with vexfs mkfs, and copy");
  return bytes;
}

Outcome<> grow_mounted(const std::string& directory, std::uint64_t bytes) {
  const auto control = open_hidden(directory, "control", O_WRONLY);
  if (!control) return std::unexpected(control.error());
  const std::string command = format("resize {}\n", bytes);
  const auto written = ::write(control->descriptor(), command.data(), command.size());
  if (written == static_cast<ssize_t>(command.size())) return {};
  return trouble_errno(directory, errno, "the reason is in .vexfs/errors and in the daemon's log");
}

Outcome<> grow_offline(const std::string& image, std::uint64_t bytes) {
  auto volume = open_volume(image, {}, [](std::string_view) {});
  if (!volume) return std::unexpected(volume.error());
  const auto grown = (*volume)->grow(bytes);
  const auto closed = (*volume)->close();
  if (!grown) return std::unexpected(volume_trouble(image, grown.error()));
  if (!closed) return std::unexpected(volume_trouble(image, closed.error()));
  return {};
}

Exit run(const ResizeWords& words) {
  const auto target = target_of(words.target);
  if (!target) return report(target.error());
  std::uint64_t bytes = 0;
  {
    const auto device = open_file_device(target->image, {.read_only = true, .lock = false});
    if (!device) return report(volume_trouble(target->image, device.error()));
    const auto info = read_volume_info(**device);
    if (!info) return report(volume_trouble(target->image, info.error()));
    const auto wanted = wanted_bytes(words, **device, info->size_bytes);
    if (!wanted) return report(wanted.error());
    bytes = *wanted;
  }
  const auto grown = target->directory.empty() ? grow_offline(target->image, bytes)
                                               : grow_mounted(target->directory, bytes);
  if (!grown) return report(grown.error());
  std::printf("%s\n", format("{}: {}", target->image, size_for_people(bytes)).c_str());
  return Exit::found;
}

}  // namespace

void add_resize(CLI::App& app, Exit& exit) {
  add_command<ResizeWords>(app, exit, "resize", "Make a volume larger, mounted or not",
                           "vexfs resize ~/notes +10G", run, declare);
}

}  // namespace vexfs
