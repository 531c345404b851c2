// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "storage/types.h"
#include "tests/crash/files_subject.h"

namespace vexfs {

void FileVersions::add(std::uint64_t lsn, std::string content) {
  versions_.push_back({.after = lsn, .content = std::move(content)});
}

void FileVersions::flushed(std::uint64_t lsn) {
  cut_off(lsn, 0);
}

void FileVersions::cut_off(std::uint64_t lsn, std::uint64_t from) {
  floors_.push_back({.lsn = lsn, .version = versions_.size() - 1, .from_block = from});
}

void FileVersions::forget_after(std::uint64_t lsn) {
  std::erase_if(floors_, [&](const Floor& floor) { return floor.lsn > lsn; });
  std::erase_if(versions_, [&](const Version& version) { return version.after >= lsn; });
}

bool FileVersions::visible(std::size_t version, std::uint64_t lsn, std::size_t floor) const {
  return version == floor || (version > floor && versions_[version].after < lsn);
}

std::string FileVersions::judge(std::uint64_t lsn, const std::string& shown) const {
  std::size_t floor = 0, size_min = ~std::size_t{0}, size_max = 0;
  for (const Floor& each : floors_)
    if (each.lsn <= lsn && each.from_block == 0) floor = std::max(floor, each.version);
  for (std::size_t v = floor; v < versions_.size(); ++v) {
    if (!visible(v, lsn, floor)) continue;
    size_min = std::min(size_min, versions_[v].content.size());
    size_max = std::max(size_max, versions_[v].content.size());
  }
  if (shown.size() < size_min || shown.size() > size_max)
    return format("size {} not in {} ..= {}", shown.size(), size_min, size_max);
  for (std::size_t at = 0; at < shown.size(); at += kBlockBytes) {
    const std::size_t bytes = std::min<std::size_t>(kBlockBytes, shown.size() - at);
    std::size_t oldest = floor;
    for (const Floor& each : floors_)
      if (each.lsn <= lsn && each.from_block <= at / kBlockBytes)
        oldest = std::max(oldest, each.version);
    bool found = false;
    for (std::size_t v = oldest; v < versions_.size() && !found; ++v) {
      const std::string& content = versions_[v].content;
      // A version that ends before this block says nothing of it.
      if (!visible(v, lsn, oldest) || content.size() <= at) continue;
      const std::size_t held = std::min(bytes, content.size() - at);
      found = std::memcmp(shown.data() + at, content.data() + at, held) == 0 &&
              std::all_of(shown.data() + at + held, shown.data() + at + bytes,
                          [](char c) { return c == 0; });
    }
    if (!found) return format("block {} is of no version", at / kBlockBytes);
  }
  return {};
}

}  // namespace vexfs
