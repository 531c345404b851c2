// SPDX-License-Identifier: Apache-2.0
#include "tools/mounted.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/buffer_pool.h"

namespace vexfs {

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Outcome<MountEntry> mount_holding(const std::string& path) {
  const auto absolute = absolute_path(path);
  if (!absolute) return std::unexpected(absolute.error());
  auto mount = mount_around(*absolute);
  if (!mount)
    return trouble(format("{}: not in a mounted VexFS volume", path),
                   "mount one with: vexfs mount IMAGE DIR");
  return *std::move(mount);
}

Outcome<File> open_hidden(const std::string& directory, const std::string& name, int flags) {
  if (const auto mount = mount_holding(directory); !mount) return std::unexpected(mount.error());
  const std::string path = directory + "/.vexfs/" + name;
  File file(::open(path.c_str(), flags | O_CLOEXEC));
  if (file) return file;
  switch (errno) {
    case ENOTCONN:
      return trouble(format("{}: a dead mount, its daemon is gone", directory),
                     format("clear it with: vexfs umount {}", directory));
    case ENOENT:
      return trouble(format("{}: no search here", directory),
                     "it may be mounted with -o index=0, or be no directory");
    default:
      return trouble_errno(path, errno);
  }
}

Outcome<std::string> read_all(const File& file, const std::string& name) {
  constexpr std::size_t kReadBytes = 1 << 20;
  const Buffer buffer = Buffer::take(kReadBytes);
  std::string content;
  for (;;) {
    const ssize_t got = ::read(file.descriptor(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return trouble_errno(name, errno);
    if (got == 0) return content;
    content.append(as_text(buffer.bytes().first(static_cast<std::size_t>(got))));
  }
}

Outcome<std::string> read_hidden(const std::string& directory, const std::string& name) {
  const auto file = open_hidden(directory, name, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  return read_all(*file, directory + "/.vexfs/" + name);
}

}  // namespace vexfs
