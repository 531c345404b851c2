// SPDX-License-Identifier: Apache-2.0
#include "src/mount_table.h"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

namespace vexfs {

namespace {

struct CloseDirectory {
  void operator()(DIR* open) const { ::closedir(open); }
};
struct Free {
  void operator()(char* memory) const { std::free(memory); }
};

// mountinfo writes blanks, tabs, newlines and backslashes as \ooo.
std::string unescaped(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size()) {
      const auto digit = [&](std::size_t at) { return field[i + at] - '0'; };
      out.push_back(static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3)));
      i += 3;
    } else {
      out.push_back(field[i]);
    }
  }
  return out;
}

// proc(5): id parent major:minor root mountpoint options optional… - type source super-options
std::optional<MountEntry> parse(const std::string& line) {
  std::istringstream words(line);
  std::string skip, directory, options, word, type, source, of_super;
  words >> skip >> skip >> skip >> skip >> directory >> options;
  while (words >> word && word != "-") continue;
  words >> type >> source >> of_super;
  if (type != "fuse.vexfs") return std::nullopt;
  return MountEntry{unescaped(directory), unescaped(source), options + "," + of_super};
}

bool lies_in(std::string_view path, std::string_view directory) {
  return directory == "/" || path == directory ||
         (path.starts_with(directory) && path.substr(directory.size()).starts_with('/'));
}

std::unexpected<Trouble> no_mountpoint(const std::string& directory, int code) {
  if (code == ENOENT)
    return trouble_errno(directory, code, format("make it with: mkdir {}", directory));
  if (code != ENOTCONN) return trouble_errno(directory, code);
  return trouble(format("{}: a dead mount, its daemon is gone", directory),
                 format("clear it with: vexfs umount {}", directory));
}

template <class Matches>
std::optional<MountEntry> last_mount(Matches matches) {
  std::optional<MountEntry> found;
  for (MountEntry& mount : vexfs_mounts())
    if (matches(mount)) found = std::move(mount);
  return found;
}

}  // namespace

std::vector<MountEntry> vexfs_mounts() {
  std::vector<MountEntry> mounts;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);)
    if (auto mount = parse(line)) mounts.push_back(*std::move(mount));
  return mounts;
}

std::optional<MountEntry> mount_at(const std::string& directory) {
  return last_mount([&](const MountEntry& mount) { return mount.directory == directory; });
}

std::optional<MountEntry> mount_of_image(const std::string& image) {
  return last_mount([&](const MountEntry& mount) { return mount.image == image; });
}

std::optional<MountEntry> mount_around(const std::string& path) {
  std::optional<MountEntry> innermost;
  for (MountEntry& mount : vexfs_mounts())
    if (lies_in(path, mount.directory) &&
        (!innermost || mount.directory.size() >= innermost->directory.size()))
      innermost = std::move(mount);
  return innermost;
}

Outcome<std::string> absolute_path(const std::string& path) {
  const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
  if (real) return std::string(real.get());
  if (errno != ENOTCONN) return trouble_errno(path, errno);
  // A dead mount point answers nothing, but the directory above it does.
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  const auto name_at = trimmed.rfind('/') + 1;  // 0 where there is no slash
  const std::string above = name_at == 0 ? "." : trimmed.substr(0, name_at);
  const std::unique_ptr<char, Free> parent(::realpath(above.c_str(), nullptr));
  if (!parent) return trouble_errno(path, ENOTCONN);
  const std::string_view directory = parent.get();
  return format("{}/{}", directory == "/" ? "" : directory, trimmed.substr(name_at));
}

Outcome<> check_mountpoint(const std::string& directory) {
  struct stat attr{};
  if (::stat(directory.c_str(), &attr) != 0) return no_mountpoint(directory, errno);
  if (!S_ISDIR(attr.st_mode)) return trouble(format("{}: not a directory", directory));
  const std::unique_ptr<DIR, CloseDirectory> entries(::opendir(directory.c_str()));
  if (!entries) return no_mountpoint(directory, errno);
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..")
      return trouble(format("{}: not empty, its files would be hidden by the mount", directory),
                     "choose an empty directory");
  }
  if (const auto mounted = mount_at(directory))
    return trouble(format("{}: {} is mounted there", directory, mounted->image),
                   format("unmount it with: vexfs umount {}", directory));
  return {};
}

}  // namespace vexfs
