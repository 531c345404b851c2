// SPDX-License-Identifier: Apache-2.0
#include "storage/space_map.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

using From = BlockGroups::From;

constexpr std::uint64_t kSnapshotStepPages = 48;

Extent page_extent(std::uint64_t address) {
  return {.first = BlockNo{address}, .blocks = kPageBlocks};
}

// One checkpoint rewrites at most all of Tree::free_space: two worst records a leaf, and a few
// pages above them. And a step of the removal of a snapshot changes a few pages of its tree.
std::uint64_t checkpoint_slots_of(std::uint64_t groups) {
  return groups / 2 + groups / 64 + 16 + kSnapshotStepPages;
}

// 1/128 of the volume, 1 MiB ..= 64 MiB.
std::uint64_t slop_slots_of(std::uint64_t blocks) {
  return std::clamp<std::uint64_t>(blocks / kPageBlocks / 128, 64, 4096);
}

}  // namespace

SpaceMap::SpaceMap(std::uint64_t first, std::uint64_t end, std::uint64_t generation)
    : groups_(first, end), generation_(generation) {
  Lock lock(mutex_);
  set_reserves(end - first);
  report();
}

void SpaceMap::set_reserves(std::uint64_t blocks) {
  total_blocks_ = blocks;
  checkpoint_slots_ = checkpoint_slots_of(groups_.group_count());
  freeing_slots_ = checkpoint_slots_ + slop_slots_of(blocks);
  ordinary_slots_ = freeing_slots_ + slop_slots_of(blocks);
}

void SpaceMap::extend(std::uint64_t end) {
  Lock lock(mutex_);
  const std::uint64_t before = groups_.end();
  groups_.extend(end);
  set_reserves(total_blocks_ + end - before);
  report();
}

// What the next checkpoint takes to list the dead extents: 600 of them fill a page.
std::uint64_t SpaceMap::dead_slots() const {
  return dead_.empty() ? 0 : dead_.size() / 512 + 4;
}

// Free slots that this claim must leave.
std::uint64_t SpaceMap::limit_of(Claim claim) const {
  switch (claim) {
    case Claim::ordinary:
      return freeing_slots_ + dead_slots();
    case Claim::freeing:
      return checkpoint_slots_ + dead_slots();
    case Claim::checkpoint:
    case Claim::promised:
      return 0;
  }
  return 0;
}

Result<std::uint64_t> SpaceMap::allocate_page(PageKind kind) {
  Lock lock(mutex_);
  // Promises leave the slots of a checkpoint alone, so it need not heed them.
  const bool heeds = kind.claim == Claim::ordinary || kind.claim == Claim::freeing;
  const std::uint64_t kept = limit_of(kind.claim) + (heeds ? promised_slots_ : 0);
  if (groups_.free_slots() <= kept) return fail(ENOSPC, "space: no room for a tree page");
  const std::uint64_t address = groups_.find_slot();
  VEXFS_ASSERT(address != 0);
  groups_.set_busy(page_extent(address), true);
  if (kind.recorded) groups_.set_owned(page_extent(address), true);
  report();
  return address;
}

void SpaceMap::free_page(std::uint64_t address, PageFate fate) {
  Lock lock(mutex_);
  // A page of a tree that the map has as free: it may have been given to somebody else.
  if (fate.recorded && !groups_.all(page_extent(address), true, true)) {
    log(Level::error, "space", "a page of a tree is free in the map", {{"block", address}});
    damaged_ = true;
    return;
  }
  if (fate.recorded && !fate.unborn && is_pinned(fate.birth)) {
    dead_.push_back(page_extent(address));
    dead_.back().birth = fate.birth;
    return;
  }
  if (fate.recorded) groups_.set_owned(page_extent(address), false);
  if (fate.unborn)
    groups_.set_busy(page_extent(address), false);
  else
    (fate.recorded ? pending_ : pending_unrecorded_).push_back(page_extent(address));
  report();
}

bool SpaceMap::promise_pages(std::uint64_t pages, Claim claim) {
  Lock lock(mutex_);
  if (groups_.free_slots() < limit_of(claim) + promised_slots_ + pages) return false;
  promised_slots_ += pages;
  return true;
}

void SpaceMap::end_promise(std::uint64_t pages) {
  Lock lock(mutex_);
  promised_slots_ -= pages;
}

// Whole slots that data may break up.
std::uint64_t SpaceMap::data_slots() const {
  const std::uint64_t kept = ordinary_slots_ + promised_slots_ + dead_slots();
  return groups_.free_slots() - std::min(groups_.free_slots(), kept);
}

std::uint64_t SpaceMap::data_blocks() const {
  const std::uint64_t in_slots = groups_.free_slots() * kPageBlocks;
  const std::uint64_t blocks = groups_.free_blocks() - in_slots + data_slots() * kPageBlocks;
  return blocks - std::min(blocks, reserved_blocks_);
}

Result<Extent> SpaceMap::allocate(std::uint32_t blocks, BlockNo hint) {
  VEXFS_ASSERT(blocks > 0);
  Lock lock(mutex_);
  // A run breaks up one slot more than it fills.
  const std::uint64_t slots = data_slots();
  const std::uint64_t whole = slots > 1 ? (slots - 1) * kPageBlocks : slots;
  const auto wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks, whole));
  const auto near = static_cast<std::uint64_t>(hint);
  Extent run = wanted == 0 ? Extent{} : groups_.find_run(wanted, near, From::anywhere);
  if (run.blocks == 0) run = groups_.find_run(blocks, near, From::broken_slots);
  if (run.blocks == 0) return fail(ENOSPC, "space: full");
  groups_.set_busy(run, true);
  run.birth = generation_;
  report();
  return run;
}

void SpaceMap::release(Extent extent) {
  Lock lock(mutex_);
  VEXFS_ASSERT(groups_.holds(extent) && groups_.all(extent, true, false));
  groups_.set_busy(extent, false);
  report();
}

Result<> SpaceMap::reserve(std::uint64_t blocks) {
  Lock lock(mutex_);
  if (data_blocks() < blocks) return fail(ENOSPC, "space: full");
  reserved_blocks_ += blocks;
  report();
  return {};
}

void SpaceMap::unreserve(std::uint64_t blocks) {
  Lock lock(mutex_);
  VEXFS_ASSERT(blocks <= reserved_blocks_);
  reserved_blocks_ -= blocks;
  report();
}

Result<> SpaceMap::adopt(Extent extent) {
  Lock lock(mutex_);
  if (!groups_.holds(extent) || !groups_.all(extent, true, false))
    return fail(EUCLEAN, "space: adopted blocks are not allocated");
  groups_.set_owned(extent, true);
  return {};
}

Result<> SpaceMap::free(Extent extent) {
  Lock lock(mutex_);
  if (!groups_.holds(extent) || !groups_.all(extent, true, true))
    return fail(EUCLEAN, "space: freed blocks are not in use");
  if (is_pinned(extent.birth)) {
    dead_.push_back(extent);
    return {};
  }
  groups_.set_owned(extent, false);
  pending_.push_back(extent);
  return {};
}

void SpaceMap::undo_adopt(Extent extent) {
  Lock lock(mutex_);
  groups_.set_owned(extent, false);
}

void SpaceMap::undo_free(Extent extent) {
  Lock lock(mutex_);
  const bool pinned = is_pinned(extent.birth);
  if (!pinned) groups_.set_owned(extent, true);
  std::vector<Extent>& freed = pinned ? dead_ : pending_;
  // Other transactions may have freed since: the youngest entry of this extent goes.
  const auto entry = std::find(freed.rbegin(), freed.rend(), extent);
  VEXFS_ASSERT(entry != freed.rend());
  freed.erase(std::next(entry).base());
}

FrozenSpace SpaceMap::freeze(const Freeze& freeze) {
  Lock lock(mutex_);
  generation_ = freeze.next_generation;
  FrozenSpace frozen{.groups = {},
                     .pending = std::exchange(pending_, {}),
                     .dead = std::exchange(dead_, {}),
                     .newest_pin = std::exchange(newest_pin_, freeze.newest_pin)};
  for (const Extent& extent : freeze.undead) {
    groups_.set_owned(extent, false);
    frozen.pending.push_back(extent);
  }
  for (const std::uint64_t number : groups_.take_changed())
    frozen.groups.push_back({.number = number, .record = groups_.encode(number)});
  return frozen;
}

bool SpaceMap::is_damaged() const {
  Lock lock(mutex_);
  return damaged_;
}

void SpaceMap::set_newest_pin(std::uint64_t generation) {
  Lock lock(mutex_);
  newest_pin_ = generation;
}

std::vector<Extent> SpaceMap::take_pending_unrecorded() {
  Lock lock(mutex_);
  return std::exchange(pending_unrecorded_, {});
}

void SpaceMap::complete(const std::vector<Extent>& pending) {
  Lock lock(mutex_);
  for (const Extent& extent : pending) groups_.set_busy(extent, false);
  report();
}

bool SpaceMap::has_pending() const {
  Lock lock(mutex_);
  return !pending_.empty();
}

Result<> SpaceMap::load_group(std::uint64_t number, Bytes record) {
  Lock lock(mutex_);
  const auto loaded = groups_.decode(number, record);
  report();
  return loaded;
}

Result<> SpaceMap::load_all(const BlockGroups& used) {
  for (std::uint64_t number = 0; number < used.group_count(); ++number) {
    const BlockGroups::Record record = used.encode(number);
    if (!record.none) VEXFS_CHECK(load_group(number, as_bytes(record.value)));
  }
  Lock lock(mutex_);
  groups_.mark_all_changed();
  return {};
}

Result<> SpaceMap::load_unrecorded_page(std::uint64_t address) {
  Lock lock(mutex_);
  const Extent page = page_extent(address);
  if (!groups_.holds(page) || !groups_.all(page, false, false))
    return fail(EUCLEAN, "space: a page of the map itself is not free in it");
  groups_.set_busy(page, true);
  report();
  return {};
}

Result<> SpaceMap::mark_allocated(Extent extent) {
  Lock lock(mutex_);
  if (!groups_.holds(extent)) return fail(EUCLEAN, "space: the log adopts what is no data block");
  const auto from = static_cast<std::uint64_t>(extent.first);
  for (std::uint64_t block = from; block < from + extent.blocks; ++block)
    if (!groups_.busy(block)) groups_.set_busy({.first = BlockNo{block}, .blocks = 1}, true);
  report();
  return {};
}

SpaceInfo SpaceMap::info() const {
  Lock lock(mutex_);
  SpaceInfo info{.total = total_blocks_ - ordinary_slots_ * kPageBlocks, .free = data_blocks()};
  for (const Extent& extent : pending_) info.pending += extent.blocks;
  return info;
}

bool SpaceMap::holds(Extent extent) const {
  Lock lock(mutex_);
  return groups_.holds(extent);
}

void SpaceMap::report() const {
  static Gauge& free = metrics::gauge("vexfs_space_free_bytes", "What data may still take");
  free.set(static_cast<std::int64_t>(data_blocks() * kBlockBytes));
}

}  // namespace vexfs
