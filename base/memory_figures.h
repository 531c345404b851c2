// SPDX-License-Identifier: Apache-2.0
// MemoryReader: how much memory this process may have, by the machine and by its control groups
// (v2 and v1, each group up to the root). Where a file is absent, nothing limits.
// Threads: one at a time.
#pragma once
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace vexfs {

struct MemoryFigures {
  std::size_t total = std::numeric_limits<std::size_t>::max();      // of machine or group
  std::size_t available = std::numeric_limits<std::size_t>::max();  // before somebody must give
};

// Of this process, what the kernel cannot drop: no pages of files.
std::size_t anonymous_bytes();

class MemoryReader {
 public:
  explicit MemoryReader(std::string proc = "/proc", const std::string& groups = "/sys/fs/cgroup");
  MemoryFigures read() const;

 private:
  struct Names;
  struct Group {
    std::string folder;
    const Names* names;
  };
  static const Names kVersion2, kVersion1;
  const std::string proc_;
  std::vector<Group> groups_;  // ours and those above it
};

}  // namespace vexfs
