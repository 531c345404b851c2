// SPDX-License-Identifier: Apache-2.0
#include "storage/snapshots.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace vexfs {

Result<DecodedSnapshot> decode_snapshot(Bytes key, Bytes value) {
  KeyReader reader(key);
  reader.u8();
  DecodedSnapshot out;
  out.root.generation = reader.u64();
  SnapshotRecord record;
  if (reader.failed() || value.size() < sizeof record)
    return fail(EUCLEAN, "snapshot: record cut off");
  std::memcpy(&record, value.data(), sizeof record);
  if (record.version != kSnapshotVersion || record.reserved != 0 || record.removing > 1 ||
      record.trees != kTreeCount)
    return fail(EUCLEAN, "snapshot: record with bad fields");
  out.root.lsn = Lsn{std::uint64_t{record.lsn}};
  out.root.name = as_text(value.subspan(sizeof record));
  for (unsigned i = 0; i < kTreeCount; ++i) {
    if (record.roots[i].level >= kLevelsMax) return fail(EUCLEAN, "snapshot: a root too high");
    out.root.roots[i] = {.page = record.roots[i].page, .level = record.roots[i].level};
  }
  out.next_dead = record.next_dead;
  out.removing = record.removing == 1;
  return out;
}

std::string encode(const PinnedRoot& root, std::uint64_t next_dead, bool removing) {
  SnapshotRecord record{};
  record.version = kSnapshotVersion;
  record.removing = removing ? 1 : 0;
  record.trees = kTreeCount;
  record.lsn = static_cast<std::uint64_t>(root.lsn);
  record.next_dead = next_dead;
  for (unsigned i = 0; i < kTreeCount; ++i)
    record.roots[i] = {.page = root.roots[i].page,
                       .level = static_cast<std::uint8_t>(root.roots[i].level),
                       .reserved = {}};
  return std::string(as_text(bytes_of(record))) + root.name;
}

Result<std::vector<Extent>> decode_dead(Bytes value) {
  if (value.empty() || value.size() % sizeof(DeadExtent) != 0)
    return fail(EUCLEAN, "snapshot: dead extents of a bad size");
  std::vector<Extent> extents;
  for (; !value.empty(); value = value.subspan(sizeof(DeadExtent))) {
    DeadExtent dead;
    std::memcpy(&dead, value.data(), sizeof dead);
    const std::uint64_t first = dead.first;
    if (dead.blocks == 0) return fail(EUCLEAN, "snapshot: an empty extent");
    extents.push_back({.first = BlockNo{first}, .blocks = dead.blocks, .birth = dead.birth});
  }
  return extents;
}

Result<> Snapshots::load(Bytes key, Bytes value) {
  VEXFS_TRY(DecodedSnapshot one, decode_snapshot(key, value));
  Lock lock(mutex_);
  all_.push_back(
      {.root = std::move(one.root), .next_dead = one.next_dead, .removing = one.removing});
  return {};
}

Snapshots::One* Snapshots::at(std::uint64_t generation) {
  const auto found =
      std::ranges::find(all_, generation, [](const One& o) { return o.root.generation; });
  return found == all_.end() ? nullptr : &*found;
}

std::uint64_t Snapshots::before(std::uint64_t generation) const {
  std::uint64_t newest = 0;
  for (const One& one : all_)
    if (one.root.generation < generation) newest = std::max(newest, one.root.generation);
  return newest;
}

void Snapshots::pin(PinnedRoot root) {
  Lock lock(mutex_);
  all_.push_back({.root = std::move(root), .changed = true});
}

Result<> Snapshots::remove(std::uint64_t generation) {
  Lock lock(mutex_);
  One* const one = at(generation);
  if (one == nullptr || one->removing) return fail(ENOENT, "snapshot: none of this number");
  one->removing = one->changed = true;
  return {};
}

std::optional<PinnedRoot> Snapshots::find(std::uint64_t generation) const {
  for (PinnedRoot& root : all())
    if (root.generation == generation) return std::move(root);
  return std::nullopt;
}

std::vector<PinnedRoot> Snapshots::all() const {
  Lock lock(mutex_);
  std::vector<PinnedRoot> roots;
  for (const One& one : all_)
    if (!one.removing) roots.push_back(one.root);
  return roots;
}

bool Snapshots::holds(std::uint64_t generation) const {
  Lock lock(mutex_);
  return std::ranges::any_of(all_, [&](const One& o) { return o.root.generation == generation; });
}

bool Snapshots::has_work() const {
  Lock lock(mutex_);
  return std::ranges::any_of(all_, [](const One& one) { return one.changed || one.removing; });
}

std::uint64_t Snapshots::newest() const {
  Lock lock(mutex_);
  std::uint64_t newest = 0;
  for (const One& one : all_)
    if (!one.removing) newest = std::max(newest, one.root.generation);
  return newest;
}

std::uint64_t Snapshots::removing() const {
  Lock lock(mutex_);
  for (const One& one : all_)
    if (one.removing) return one.root.generation;
  return 0;
}

Result<Snapshots::Step> Snapshots::step(std::uint64_t generation, const Records& records,
                                        bool last) const {
  Lock lock(mutex_);
  Step step{.generation = generation, .erased = {}, .freed = {}, .moved = {}, .last = last};
  const std::uint64_t older = before(generation);
  for (const auto& [key, value] : records) {
    VEXFS_TRY(const auto extents, decode_dead(as_bytes(value)));
    step.erased.push_back(key);
    for (const Extent& extent : extents)
      (extent.birth <= older ? step.moved : step.freed).push_back(extent);
  }
  return step;
}

void Snapshots::append(One& one, const std::vector<Extent>& dead, std::vector<SnapshotPair>& into) {
  for (std::size_t i = 0; i < dead.size(); i += kDeadExtentsMax) {
    std::string value;
    for (std::size_t j = i; j < std::min(dead.size(), i + kDeadExtentsMax); ++j)
      value += as_text(bytes_of(DeadExtent{.first = static_cast<std::uint64_t>(dead[j].first),
                                           .birth = dead[j].birth,
                                           .blocks = dead[j].blocks}));
    const Key key = dead_key(one.root.generation, one.next_dead++);
    into.push_back({std::string(as_text(key)), std::move(value)});
    one.changed = true;
  }
}

std::vector<SnapshotPair> Snapshots::record(const Step& step, const std::vector<Extent>& dead,
                                            std::uint64_t newest) {
  Lock lock(mutex_);
  std::vector<SnapshotPair> pairs;
  for (const std::string& key : step.erased) pairs.push_back({key, std::nullopt});
  if (!step.moved.empty()) append(*at(before(step.generation)), step.moved, pairs);
  if (!dead.empty()) append(*at(newest), dead, pairs);
  // What was freed just now, while it was still the newest, is for another step.
  const bool gone = step.last && (dead.empty() || newest != step.generation);
  for (One& one : all_) {
    if (!std::exchange(one.changed, false)) continue;
    const Key key = snapshot_key(one.root.generation);
    pairs.push_back({std::string(as_text(key)), encode(one.root, one.next_dead, one.removing)});
  }
  if (gone && step.generation != 0) {
    std::erase_if(all_, [&](const One& o) { return o.root.generation == step.generation; });
    pairs.push_back({std::string(as_text(Key(snapshot_key(step.generation)))), std::nullopt});
  }
  return pairs;
}

}  // namespace vexfs
