// SPDX-License-Identifier: Apache-2.0
// SpaceMap: which blocks of the data area are free.
//
//   block      busy  owned   becomes
//   free       no    no      allocated by allocate(), allocate_page()
//   allocated  yes   no      owned when a transaction adopts it; free by release() or a crash
//   owned      yes   yes     pending when a transaction frees it; dead when a snapshot holds it
//   dead       yes   yes     pending when the snapshot is removed (storage/snapshots.h)
//   pending    yes   no      free when the checkpoint after that is durable
//
// The pages of Tree::free_space are busy but never owned: they are not recorded
// (storage/space_format.h says why).
//
// Tree pages take whole slots (four blocks, aligned), so data must not break up the last ones:
// data, ordinary transactions, freeing ones and checkpoints may each use a little more of the
// free slots than the one before, and a full volume can always delete.
// Threads: any.
#pragma once
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/block_groups.h"
#include "storage/volume.h"

namespace vexfs {

// Who takes a page, the least privileged first. `promised`: out of promise_pages().
enum class Claim : std::uint8_t { ordinary, freeing, checkpoint, promised };

// The map as one checkpoint records it.
struct FrozenSpace {
  struct Group {
    std::uint64_t number = 0;
    BlockGroups::Record record;
  };
  std::vector<Group> groups;    // those that changed since the checkpoint before
  std::vector<Extent> pending;  // for complete()
  std::vector<Extent> dead;     // freed, but held by the snapshot that was the newest
  std::uint64_t newest_pin = 0;
};

class SpaceMap {
 public:
  // The data area: blocks first ..< end.
  SpaceMap(std::uint64_t first, std::uint64_t end, std::uint64_t generation);

  // --- tree pages; ENOSPC
  struct PageKind {
    Claim claim = Claim::ordinary;
    bool recorded = true;  // false: of Tree::free_space
  };
  Result<std::uint64_t> allocate_page(PageKind kind);
  // `unborn`: no checkpoint has ever referenced it, so it is free at once.
  struct PageFate {
    bool unborn = false;
    bool recorded = true;
    std::uint64_t birth = 0;
  };
  void free_page(std::uint64_t address, PageFate fate);
  // Keeps slots for one transaction that is about to be applied and cannot fail then.
  bool promise_pages(std::uint64_t pages, Claim claim);
  void end_promise(std::uint64_t pages);

  // --- data, as Volume declares it
  Result<Extent> allocate(std::uint32_t blocks, BlockNo hint);
  void release(Extent extent);
  Result<> reserve(std::uint64_t blocks);
  void unreserve(std::uint64_t blocks);
  // EUCLEAN, and nothing has changed, when it was not allocated or not owned.
  Result<> adopt(Extent extent);
  Result<> free(Extent extent);
  // Takes back the latest adopt or free.
  void undo_adopt(Extent extent);
  void undo_free(Extent extent);

  // --- checkpoints
  // What is allocated from now on is born in `next_generation`; what is freed with a birth not
  // above `newest_pin` is dead. `undead`: dead extents that no snapshot holds any more.
  struct Freeze {
    std::uint64_t next_generation = 0, newest_pin = 0;
    const std::vector<Extent>& undead;
  };
  FrozenSpace freeze(const Freeze& freeze);
  // What free_page() has taken since freeze() of pages that are not recorded.
  std::vector<Extent> take_pending_unrecorded();
  void complete(const std::vector<Extent>& pending);
  // The data area ends at `end` from now on, which a durable superblock says too.
  void extend(std::uint64_t end);
  bool has_pending() const;
  // The map contradicts the trees: nothing may be written any more.
  bool is_damaged() const;

  // --- loading, before all else; EUCLEAN for what cannot be
  Result<> load_group(std::uint64_t number, Bytes record);
  // All of it from elsewhere, to be recorded anew. EUCLEAN.
  Result<> load_all(const BlockGroups& used);
  Result<> load_unrecorded_page(std::uint64_t address);
  Result<> mark_allocated(Extent extent);  // the log adopts it later; may repeat

  void set_newest_pin(std::uint64_t generation);

  SpaceInfo info() const;
  bool holds(Extent extent) const;

 private:
  bool is_pinned(std::uint64_t birth) const REQUIRES(mutex_) {
    return newest_pin_ != 0 && birth <= newest_pin_;
  }
  std::uint64_t dead_slots() const REQUIRES(mutex_);
  std::uint64_t data_slots() const REQUIRES(mutex_);
  std::uint64_t data_blocks() const REQUIRES(mutex_);
  void report() const REQUIRES(mutex_);

  std::uint64_t limit_of(Claim claim) const REQUIRES(mutex_);
  void set_reserves(std::uint64_t blocks) REQUIRES(mutex_);

  mutable Mutex mutex_{Rank::space_map};
  BlockGroups groups_ GUARDED_BY(mutex_);
  std::uint64_t total_blocks_ GUARDED_BY(mutex_) = 0;
  // Free slots below which only checkpoints, freeing transactions, transactions may go.
  std::uint64_t checkpoint_slots_ GUARDED_BY(mutex_) = 0;
  std::uint64_t freeing_slots_ GUARDED_BY(mutex_) = 0;
  std::uint64_t ordinary_slots_ GUARDED_BY(mutex_) = 0;
  std::uint64_t generation_ GUARDED_BY(mutex_);
  // 0: no snapshot. Changes only while no transaction runs.
  std::uint64_t newest_pin_ GUARDED_BY(mutex_) = 0;
  bool damaged_ GUARDED_BY(mutex_) = false;
  std::vector<Extent> dead_ GUARDED_BY(mutex_);  // since the last freeze
  std::vector<Extent> pending_ GUARDED_BY(mutex_);
  std::vector<Extent> pending_unrecorded_ GUARDED_BY(mutex_);
  std::uint64_t promised_slots_ GUARDED_BY(mutex_) = 0;
  std::uint64_t reserved_blocks_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
