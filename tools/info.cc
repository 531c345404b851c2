// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/json.h"
#include "src/mount_options.h"
#include "src/mount_table.h"
#include "src/open_volume.h"
#include "tools/commands.h"
#include "tools/mounted.h"

namespace vexfs {

namespace {

struct InfoWords {
  std::string target = ".";
  bool json = false;
};

void declare(CLI::App& command, InfoWords& words) {
  command.add_option("target", words.target, "an image, or a directory of a mount (default: here)");
  command.add_flag("--json", words.json, "as a JSON object");
}

// The image that is meant.
Outcome<std::string> image_of(const std::string& target) {
  struct stat attr{};
  if (::stat(target.c_str(), &attr) == 0 && S_ISDIR(attr.st_mode)) {
    const auto mount = mount_holding(target);
    if (!mount) return std::unexpected(mount.error());
    return mount->image;
  }
  return absolute_path(target);
}

Exit run(const InfoWords& words) {
  const auto image = image_of(words.target);
  if (!image) return report(image.error());
  const auto device = open_file_device(*image, {.read_only = true, .lock = false});
  if (!device) return report(volume_trouble(*image, device.error()));
  const auto info = read_volume_info(**device);
  if (!info) return report(volume_trouble(*image, info.error()));
  const auto mount = mount_of_image(*image);
  const std::string id = format("{:016x}{:016x}", info->id_high, info->id_low);
  if (words.json) {
    const Json facts = {{"image", *image},
                        {"mounted_on", mount ? Json(mount->directory) : Json()},
                        {"id", id},
                        {"format_version", info->format_version},
                        {"size_bytes", info->size_bytes},
                        {"log_bytes", info->log_bytes},
                        {"mount_epoch", info->mount_epoch},
                        {"clean", info->was_clean},
                        {"checkpoint_lsn", std::to_underlying(info->checkpoint)}};
    std::printf("%s\n", to_text(facts).c_str());
    return Exit::found;
  }
  // The first opening is the one of mkfs.
  const std::uint64_t mounts = std::max<std::uint64_t>(info->mount_epoch, 1) - 1;
  const char* state = mount             ? "mounted"
                      : info->was_clean ? "clean"
                                        : "not unmounted cleanly: the next mount recovers it";
  std::printf("%s",
              format("image       {}\nstate       {}\nmounted on  {}\nid          {}\n"
                     "format      {}\nsize        {}\nlog         {}\nmounts      {}\n",
                     *image, state, mount ? mount->directory : "-", id, info->format_version,
                     size_for_people(info->size_bytes), size_for_people(info->log_bytes), mounts)
                  .c_str());
  return Exit::found;
}

}  // namespace

void add_info(CLI::App& app, Exit& exit) {
  add_command<InfoWords>(app, exit, "info", "What an image is", "vexfs info notes.vex", run,
                         declare);
}

}  // namespace vexfs
