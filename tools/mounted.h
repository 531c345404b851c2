// SPDX-License-Identifier: Apache-2.0
// The hidden files of a mount, as a command uses them.
#pragma once
#include <string>

#include "src/mount_table.h"
#include "src/trouble.h"

namespace vexfs {

// A file descriptor that closes itself.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File();
  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// The mount that a file or directory lies in; trouble when it is none of ours.
Outcome<MountEntry> mount_holding(const std::string& path);
// DIRECTORY/.vexfs/NAME, opened. `directory` is in a mount.
Outcome<File> open_hidden(const std::string& directory, const std::string& name, int flags);
// Its whole content.
Outcome<std::string> read_hidden(const std::string& directory, const std::string& name);
// Reads until 0 bytes.
Outcome<std::string> read_all(const File& file, const std::string& name);

}  // namespace vexfs
