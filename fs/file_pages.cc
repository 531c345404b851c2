// SPDX-License-Identifier: Apache-2.0
#include "fs/file_pages.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace vexfs {

namespace {

std::uint64_t first_from(const FilePages::Map& pages, std::uint64_t block) {
  const auto it = pages.lower_bound(block);
  return it == pages.end() ? FilePages::kNone : it->first;
}

std::size_t erase(FilePages::Map& pages, std::uint64_t from, std::uint64_t to) {
  const std::size_t before = pages.size();
  pages.erase(pages.lower_bound(from), pages.lower_bound(to));
  return before - pages.size();
}

}  // namespace

std::uint64_t FilePages::first_pending(std::uint64_t written_to) const {
  return std::min(first_from(dirty_, 0), first_from(writing_, written_to));
}

std::uint64_t FilePages::next(std::uint64_t block) const {
  return std::min(first_from(dirty_, block), first_from(writing_, block));
}

const std::byte* FilePages::find(std::uint64_t block) const {
  if (const auto it = dirty_.find(block); it != dirty_.end()) return it->second.data();
  if (const auto it = writing_.find(block); it != writing_.end()) return it->second.data();
  return nullptr;
}

MutableBytes FilePages::dirty(std::uint64_t block, bool& fresh) {
  fresh = false;
  const auto [it, added] = dirty_.try_emplace(block);
  if (added) {
    it->second = Buffer::take(kBlockBytes);
    if (const auto old = writing_.find(block); old != writing_.end())
      std::memcpy(it->second.data(), old->second.data(), kBlockBytes);
    else
      fresh = true;
  }
  return it->second.bytes();
}

std::size_t FilePages::drop(std::uint64_t from, std::uint64_t to) {
  return erase(dirty_, from, to);
}

void FilePages::begin_writing() {
  VEXFS_ASSERT(writing_.empty());
  std::swap(dirty_, writing_);
}

std::size_t FilePages::written(std::uint64_t from, std::uint64_t to) {
  return erase(writing_, from, to);
}

std::size_t FilePages::give_up_writing() {
  dirty_.merge(writing_);
  const std::size_t superseded = writing_.size();
  writing_.clear();
  return superseded;
}

}  // namespace vexfs
