// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "fs/file_system.h"
#include "src/mount_options.h"
#include "src/mount_table.h"
#include "src/open_volume.h"
#include "storage/block_device.h"
#include "storage/volume.h"
#include "tools/commands.h"
#include "tools/progress.h"

namespace vexfs {

namespace {

struct MkfsWords {
  std::string image, size;
  bool force = false;
};

void declare(CLI::App& command, MkfsWords& words) {
  command.add_option("image", words.image, "image file to make, or block device")->required();
  command.add_option("--size", words.size, "20G, 512M; the file is sparse (needed for a new file)");
  command.add_flag("--force", words.force, "overwrite what is there");
}

// A half-made image is taken away again, unless it was there before.
class NewImage {
 public:
  static Outcome<std::unique_ptr<NewImage>> prepare(const MkfsWords& words);
  ~NewImage() {
    if (made_ && !kept_) ::unlink(path_.c_str());
  }
  NewImage(const NewImage&) = delete;
  NewImage& operator=(const NewImage&) = delete;
  void keep() { kept_ = true; }

 private:
  NewImage(std::string path, bool made) : path_(std::move(path)), made_(made) {}
  const std::string path_;
  const bool made_;
  bool kept_ = false;
};

Outcome<> check_overwrite(const MkfsWords& words, const struct stat& attr) {
  if (const auto path = absolute_path(words.image))
    if (const auto mount = mount_of_image(*path))
      return trouble(format("{}: mounted on {}", words.image, mount->directory),
                     format("unmount it first with: vexfs umount {}", mount->directory));
  const bool empty_file = S_ISREG(attr.st_mode) && attr.st_size == 0;
  if (!S_ISREG(attr.st_mode) && !S_ISBLK(attr.st_mode))
    return trouble(format("{}: neither a file nor a block device", words.image));
  if (!words.force && !empty_file)
    return trouble(format("{}: exists, its content would be lost", words.image),
                   "choose another name, or say --force");
  return {};
}

// Gives the file its size, all of it a hole: old bytes must not look like a log.
Outcome<> make_sparse(int file, const MkfsWords& words, std::uint64_t bytes) {
  if (::ftruncate(file, 0) == 0 && ::ftruncate(file, static_cast<off_t>(bytes)) == 0) return {};
  return trouble_errno(words.image, errno, "choose a smaller --size");
}

Outcome<std::unique_ptr<NewImage>> NewImage::prepare(const MkfsWords& words) {
  struct stat attr{};
  const bool exists = ::stat(words.image.c_str(), &attr) == 0;
  if (exists)
    if (auto allowed = check_overwrite(words, attr); !allowed)
      return std::unexpected(allowed.error());
  std::uint64_t bytes = exists ? static_cast<std::uint64_t>(attr.st_size) : 0;
  if (!words.size.empty()) {
    const auto size = parse_size(words.size);
    if (!size || *size > (std::uint64_t{1} << 62))
      return trouble(format("--size {}: not a size", words.size), "write it like 512M or 20G");
    bytes = *size / kBlockBytes * kBlockBytes;
  }
  const bool device = exists && S_ISBLK(attr.st_mode);
  if (bytes == 0 && !device)
    return trouble(format("{}: how large shall it be?", words.image),
                   format("vexfs mkfs {} --size 20G", words.image));
  const int flags = O_RDWR | O_CLOEXEC | (exists ? 0 : O_CREAT | O_EXCL);
  const int file = ::open(words.image.c_str(), flags, 0600);
  if (file < 0) return trouble_errno(words.image, errno);
  std::unique_ptr<NewImage> image(new NewImage(words.image, !exists));
  const auto sized = device ? Outcome<>() : make_sparse(file, words, bytes);
  ::close(file);
  if (!sized) return std::unexpected(sized.error());
  return image;
}

// Writes the empty volume and its root directory, which belongs to whoever makes it.
Result<VolumeInfo> fill(const MkfsWords& words) {
  VEXFS_TRY(auto device, open_file_device(words.image, {}));
  ProgressDevice shown(*device, "writing the log");
  FormatOptions options;
  if (const auto size = parse_size(words.size); size && !words.size.empty())
    options.size_bytes = *size / kBlockBytes * kBlockBytes;
  VEXFS_CHECK(Volume::format(shown, options));
  VEXFS_TRY(const auto volume, Volume::open(std::move(device), {}));
  VEXFS_CHECK(FileSystem::make_root(*volume, ::getuid(), ::getgid()));
  const VolumeInfo info = volume->info();
  VEXFS_CHECK(volume->close());
  return info;
}

Exit run(const MkfsWords& words) {
  auto image = NewImage::prepare(words);
  if (!image) return report(image.error());
  const auto info = fill(words);
  if (!info) {
    if (info.error().code == ENOSPC || info.error().code == EINVAL)
      return report({format("{}: {}", words.image, info.error().what), "choose a larger --size"});
    return report(volume_trouble(words.image, info.error()));
  }
  (*image)->keep();
  std::printf("%s: %s, log %s, id %016llx%016llx\n", words.image.c_str(),
              size_for_people(info->size_bytes).c_str(), size_for_people(info->log_bytes).c_str(),
              static_cast<unsigned long long>(info->id_high),
              static_cast<unsigned long long>(info->id_low));
  return Exit::found;
}

}  // namespace

void add_mkfs(CLI::App& app, Exit& exit) {
  add_command<MkfsWords>(app, exit, "mkfs", "Make a volume", "vexfs mkfs notes.vex --size 20G", run,
                         declare);
}

}  // namespace vexfs
