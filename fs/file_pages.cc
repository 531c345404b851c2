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

void erase(FilePages::Map& pages, std::uint64_t from, std::uint64_t to, FilePages::Gone& gone) {
  const auto end = pages.lower_bound(to);
  for (auto it = pages.lower_bound(from); it != end; it = pages.erase(it)) {
    ++gone.pages;
    gone.reserved += it->second.reserved;
  }
}

}  // namespace

std::uint64_t FilePages::first_pending(std::uint64_t written_to) const {
  std::uint64_t first = first_from(dirty_, 0);
  if (writing_pending_ == 0) return first;
  for (auto it = writing_.lower_bound(written_to); it != writing_.end(); ++it)
    if (!it->second.logged) return std::min(first, it->first);
  return first;
}

std::uint64_t FilePages::next(std::uint64_t block) const {
  return std::min(
      {first_from(dirty_, block), first_from(logged_, block), first_from(writing_, block)});
}

std::uint64_t FilePages::end() const {
  std::uint64_t end = 0;
  for (const Map* pages : {&dirty_, &logged_, &writing_})
    if (!pages->empty()) end = std::max(end, pages->rbegin()->first + 1);
  return end;
}

const std::byte* FilePages::find(std::uint64_t block) const {
  for (const Map* pages : {&dirty_, &logged_, &writing_})
    if (const auto it = pages->find(block); it != pages->end()) return it->second.content.data();
  return nullptr;
}

MutableBytes FilePages::dirty(std::uint64_t block, bool reserved, bool& fresh) {
  fresh = false;
  if (auto page = logged_.extract(block))
    return dirty_.insert(std::move(page)).position->second.content.bytes();
  const auto [it, added] = dirty_.try_emplace(block);
  if (added) {
    it->second = {.content = Buffer::take(kBlockBytes), .reserved = reserved};
    unreserved_ += !reserved;
    if (const auto old = writing_.find(block); old != writing_.end())
      std::memcpy(it->second.content.data(), old->second.content.data(), kBlockBytes);
    else
      fresh = true;
  }
  return it->second.content.bytes();
}

FilePages::Gone FilePages::count_gone(Gone gone) {
  unreserved_ -= gone.pages - gone.reserved;
  return gone;
}

FilePages::Gone FilePages::drop(std::uint64_t from, std::uint64_t to) {
  Gone gone;
  erase(dirty_, from, to, gone);
  erase(logged_, from, to, gone);
  riders_.erase(riders_.lower_bound(from), riders_.lower_bound(to));
  return count_gone(gone);
}

void FilePages::begin_writing(std::size_t pages_max) {
  VEXFS_ASSERT(writing_.empty());
  for (auto& [block, page] : logged_) page.logged = true;
  dirty_.merge(logged_);  // no block is in both
  if (dirty_.size() <= pages_max) {
    std::swap(dirty_, writing_);
  } else {
    while (writing_.size() < pages_max)
      writing_.insert(writing_.end(), dirty_.extract(dirty_.begin()));
    for (auto it = dirty_.begin(); it != dirty_.end();) {
      const auto page = it++;
      if (!std::exchange(page->second.logged, false)) continue;
      logged_.insert(dirty_.extract(page));
    }
  }
  writing_pending_ = static_cast<std::size_t>(
      std::ranges::count_if(writing_, [](const auto& page) { return !page.second.logged; }));
}

// What riders hold is compared with the next pages to be written.
void FilePages::end_writing() {
  for (auto& [block, newer] : riders_) newer = false;
}

FilePages::Gone FilePages::written(std::uint64_t from, std::uint64_t to) {
  Gone gone;
  for (auto it = writing_.lower_bound(from); it != writing_.end() && it->first < to; ++it)
    writing_pending_ -= !it->second.logged;
  erase(writing_, from, to, gone);
  if (writing_.empty()) end_writing();
  return count_gone(gone);
}

FilePages::Gone FilePages::give_up_writing() {
  Gone gone;
  while (!writing_.empty()) {
    auto page = writing_.extract(writing_.begin());
    if (holds(page.key())) {
      ++gone.pages;
      gone.reserved += page.mapped().reserved;
    } else {
      const bool logged = std::exchange(page.mapped().logged, false);
      (logged ? logged_ : dirty_).insert(std::move(page));
    }
  }
  writing_pending_ = 0;
  end_writing();
  return count_gone(gone);
}

void FilePages::set_writing_logged(std::uint64_t block) {
  Page& page = writing_.at(block);
  writing_pending_ -= !page.logged;
  page.logged = true;
  riders_[block] = false;
}

void FilePages::set_all_logged() {
  for (auto& [block, page] : writing_)
    if (!page.logged && !dirty_.contains(block)) set_writing_logged(block);
  for (const auto& [block, page] : dirty_) {
    const auto old = writing_.find(block);
    riders_[block] = old != writing_.end();
    if (old == writing_.end() || old->second.logged) continue;
    old->second.logged = true;  // what a crash leaves is newer
    --writing_pending_;
  }
  logged_.merge(dirty_);
}

FilePages::Blocks FilePages::riders(std::uint64_t from, std::uint64_t to) const {
  Blocks blocks;
  for (auto it = riders_.lower_bound(from); it != riders_.end() && it->first < to; ++it)
    blocks.push_back(it->first);
  return blocks;
}

FilePages::Blocks FilePages::riders_written(std::uint64_t from, std::uint64_t to) const {
  Blocks blocks;
  for (auto it = riders_.lower_bound(from); it != riders_.end() && it->first < to; ++it)
    if (!it->second && writing_.contains(it->first)) blocks.push_back(it->first);
  return blocks;
}

void FilePages::forget_riders(const Blocks& blocks) {
  for (const std::uint64_t block : blocks) riders_.erase(block);
}

void FilePages::load_rider(std::uint64_t block, Buffer content) {
  logged_[block] = {.content = std::move(content), .reserved = false};
  ++unreserved_;
  riders_[block] = false;
}

}  // namespace vexfs
