// SPDX-License-Identifier: Apache-2.0
// Pinned roots of a Store.
//
// A checkpoint that pins keeps its roots, and from its freeze on what these hold is dead when it
// is freed, not pending. The next checkpoint records the snapshot with the dead extents since; a
// crash before that one leaves no snapshot, and a log whose frees are frees.
#include "base/assert.h"
#include "storage/store.h"

namespace vexfs {

namespace {
constexpr std::size_t kStepRecords = 32;  // of dead extents, freed by one checkpoint
}

Result<std::uint64_t> Store::pin_root(std::string name) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  if (name.size() > 255) return fail(ENAMETOOLONG, "snapshot: name over 255 bytes");
  VEXFS_CHECK(health_.writable());
  {
    Lock lock(pin_mutex_);
    if (pin_wanted_) return fail(EBUSY, "snapshot: another one is being made");
    pin_wanted_ = std::move(name);
    pinned_ = 0;
  }
  // The first holds it, the second records it.
  for (unsigned i = 0; i < 2; ++i) VEXFS_CHECK(checkpointer_->run_now());
  Lock lock(pin_mutex_);
  VEXFS_ASSERT(pinned_ != 0);
  return pinned_;
}

Result<> Store::unpin_root(std::uint64_t number) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  VEXFS_CHECK(health_.writable());
  VEXFS_CHECK(snapshots_.remove(number));
  while (snapshots_.holds(number)) VEXFS_CHECK(checkpointer_->run_now());
  return {};
}

Result<> Store::get_pinned(const PinnedRoot& root, Tree tree, Bytes key, std::string& value) {
  BTree pinned(tree, cache_, space_);
  pinned.open(root.roots[static_cast<unsigned>(tree)], 0);
  return pinned.get(key, value, Wait::allowed);
}

Result<> Store::scan_pinned(const PinnedRoot& root, Tree tree, Bytes from, Bytes to, Visit visit) {
  BTree pinned(tree, cache_, space_);
  pinned.open(root.roots[static_cast<unsigned>(tree)], 0);
  return pinned.scan(from, to, visit, Wait::allowed);
}

Result<> Store::load_snapshots() {
  BTree& kept = tree(Tree::snapshot);
  VEXFS_CHECK(kept.visit_pages(
      [this](std::uint64_t address) { return space_.load_unrecorded_page(address); }));
  Result<> loaded;
  VEXFS_CHECK(kept.scan(
      Key().u8('s'), Key().u8('s' + 1),
      [&](Bytes key, Bytes value) {
        loaded = snapshots_.load(key, value);
        return loaded.has_value();
      },
      Wait::allowed));
  space_.set_newest_pin(snapshots_.newest());
  return loaded;
}

// What the checkpoint shall free of a snapshot that is being removed.
Result<> Store::plan_snapshots(Frozen& frozen) {
  const std::uint64_t generation = snapshots_.removing();
  if (generation == 0) return {};
  Snapshots::Records records;
  VEXFS_CHECK(tree(Tree::snapshot)
                  .scan(
                      dead_key(generation, 0), dead_key(generation + 1, 0),
                      [&](Bytes key, Bytes value) {
                        records.emplace_back(as_text(key), as_text(value));
                        return records.size() < kStepRecords;
                      },
                      Wait::allowed));
  VEXFS_TRY(frozen.step, snapshots_.step(generation, records, records.size() < kStepRecords));
  return {};
}

Result<> Store::record_snapshots(Frozen& frozen) {
  const auto pairs = snapshots_.record(frozen.step, frozen.space.dead, frozen.space.newest_pin);
  for (const SnapshotPair& pair : pairs)
    VEXFS_CHECK(
        put_frozen(tree(Tree::snapshot), as_bytes(pair.key), pair.value ? &*pair.value : nullptr));
  freeze_late(frozen, Tree::snapshot);
  return {};
}

void Store::keep_pinned(const Frozen& frozen, std::string name) {
  PinnedRoot root{.generation = frozen.generation,
                  .name = std::move(name),
                  .lsn = frozen.cut.lsn,
                  .roots = superblock().roots};
  root.roots[static_cast<unsigned>(Tree::free_space)] = {};
  root.roots[static_cast<unsigned>(Tree::snapshot)] = {};
  snapshots_.pin(std::move(root));
  Lock lock(pin_mutex_);
  pinned_ = frozen.generation;
}

}  // namespace vexfs
