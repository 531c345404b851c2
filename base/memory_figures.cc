// SPDX-License-Identifier: Apache-2.0
#include "base/memory_figures.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace vexfs {

struct MemoryReader::Names {
  const char *limit, *usage, *unused_files, *used_files;
};
const MemoryReader::Names MemoryReader::kVersion2 = {.limit = "/memory.max",
                                                     .usage = "/memory.current",
                                                     .unused_files = "inactive_file",
                                                     .used_files = "active_file"};
const MemoryReader::Names MemoryReader::kVersion1 = {.limit = "/memory.limit_in_bytes",
                                                     .usage = "/memory.usage_in_bytes",
                                                     .unused_files = "total_inactive_file",
                                                     .used_files = "total_active_file"};

namespace {

// Nothing where the file is absent or has no number ("max").
std::optional<std::size_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

// The number behind a word that begins a line.
std::optional<std::size_t> number_after(const std::string& path, std::string_view word) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(word) && line.find_first_of(": ") == word.size())
      return std::strtoull(line.c_str() + word.size() + 1, nullptr, 10);
  return std::nullopt;
}

std::size_t less(std::size_t from, std::size_t bytes) {
  return from - std::min(from, bytes);
}

}  // namespace

std::size_t anonymous_bytes() {
  // Pages: all, resident, resident of files, …
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0, of_files = 0;
  if (!(file >> all >> resident >> of_files)) return 0;
  return less(resident, of_files) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

MemoryReader::MemoryReader(std::string proc, const std::string& groups) : proc_(std::move(proc)) {
  // Lines ID:CONTROLLERS:PATH; version 2 has no controllers.
  std::ifstream file(proc_ + "/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers =
        format(",{},", std::string_view(line).substr(first + 1, second - first - 1));
    const bool version2 = controllers == ",,";
    if (!version2 && !controllers.contains(",memory,")) continue;
    const std::string root = version2 ? groups : groups + "/memory";
    const Names* const names = version2 ? &kVersion2 : &kVersion1;
    for (std::string path = line.substr(second + 1); path.size() > 1;
         path.resize(path.rfind('/')))  // it begins with '/'
      groups_.push_back({.folder = root + path, .names = names});
    groups_.push_back({.folder = root, .names = names});
  }
}

MemoryFigures MemoryReader::read() const {
  constexpr std::size_t kKiB = 1024;
  MemoryFigures out;
  if (const auto total = number_after(proc_ + "/meminfo", "MemTotal")) out.total = *total * kKiB;
  if (const auto available = number_after(proc_ + "/meminfo", "MemAvailable"))
    out.available = *available * kKiB;
  const std::size_t machine = out.total;
  // Whichever has least left counts: a group above may be full of its other groups.
  for (const auto& [folder, names] : groups_) {
    const auto limit = number_in(folder + names->limit);
    if (!limit || *limit >= machine) continue;
    out.total = std::min(out.total, *limit);
    const auto usage = number_in(folder + names->usage);
    if (!usage) continue;
    // What the kernel keeps of files goes first: all that nobody looks at, half of the rest.
    const auto unused = number_after(folder + "/memory.stat", names->unused_files);
    const auto in_use = number_after(folder + "/memory.stat", names->used_files);
    const std::size_t files = unused.value_or(0) + in_use.value_or(0) / 2;
    out.available = std::min(out.available, less(*limit, less(*usage, files)));
  }
  return out;
}

}  // namespace vexfs
