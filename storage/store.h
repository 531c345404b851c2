// SPDX-License-Identifier: Apache-2.0
// Store: the Volume on a device. Ties together log, trees, cache, space and checkpoints.
//
// Life of a transaction (store_commit.cc): pass the gate, take the latches of its trees in
// order, make their pages dirty, promise it space, append it to the log, apply it.
// Life of a checkpoint (store_checkpoint.cc): close the gate for a moment to freeze trees, space
// and log at one LSN; write what was dirty; flush; superblock; flush; reuse what became free.
//
// Locks, in order: gate (commits shared, freeze exclusive), latches by tree number, then those
// of cache, space and log, which call nobody.
// Threads: any.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <set>

#include "storage/btree.h"
#include "storage/checkpointer.h"
#include "storage/flush_group.h"
#include "storage/health.h"
#include "storage/page_cache.h"
#include "storage/snapshots.h"
#include "storage/space_map.h"
#include "storage/superblock.h"
#include "storage/volume.h"
#include "storage/wal.h"
#include "storage/warm_pages.h"

namespace vexfs {

class WalReader;

VolumeInfo volume_info(const Superblock& superblock);

class Store final : public Volume {
 public:
  Store(std::unique_ptr<BlockDevice> device, const Superblock& superblock,
        const VolumeOptions& options);
  ~Store() override;
  // store_open.cc: loads the map of free space, replays the log, starts the threads. Once.
  Result<> recover();
  // Before it, for a repair: the map as it should be after the log, in place of the one there,
  // and trees that lose what the checkpoint has of them.
  Result<> load_repaired(const BlockGroups& used, const std::set<Tree>& emptied);

  Result<> close() override;
  Result<> get(Tree tree, Bytes key, std::string& value, Wait wait) override;
  Result<> scan(Tree tree, Bytes from, Bytes to, Visit visit, Wait wait) override;
  void prefetch(Tree tree, std::span<const std::string> keys) override;
  Result<Lsn> commit(Transaction& transaction, CommitOptions options) override;
  Result<> sync(Lsn lsn) override;
  void sync(Lsn lsn, Done done) override;
  Lsn last_lsn() const override;
  Result<> checkpoint() override;
  Result<> grow(std::uint64_t bytes) override;
  Result<> flush_data(FlushSite site) override;
  Result<Extent> allocate(std::uint32_t blocks, BlockNo hint) override;
  void release(Extent extent) override;
  Result<> reserve(std::uint64_t blocks) override;
  void unreserve(std::uint64_t blocks) override;
  SpaceInfo space() const override;
  using Volume::read_blocks;
  Result<> read_blocks(std::span<const BlockRead> runs, Wait wait) override;
  Result<> write_blocks(BlockNo first, Bytes from) override;
  VolumeInfo info() const override;
  bool read_only() const override;
  std::size_t cache_bytes() override { return cache_.stats().entries * kPageBytes; }
  void set_cache_bytes_max(std::size_t bytes) override { cache_.set_bytes_max(bytes); }
  void request_checkpoint() override;

  // --- snapshots (store_snapshots.cc); for what will make commands of them
  // Keeps everything as it is now; returns its number when that is durable. ENOSPC, EROFS.
  Result<std::uint64_t> pin_root(std::string name);
  // Lets it go, in bounded steps, a checkpoint each; returns when its blocks are free. After a
  // crash the next mount goes on. ENOENT.
  Result<> unpin_root(std::uint64_t number);
  std::vector<PinnedRoot> pinned_roots() const { return snapshots_.all(); }
  std::uint64_t newest_snapshot() const override { return snapshots_.newest(); }
  // As get() and scan() were when it was pinned. Its data blocks are where they were.
  Result<> get_pinned(const PinnedRoot& root, Tree tree, Bytes key, std::string& value);
  Result<> scan_pinned(const PinnedRoot& root, Tree tree, Bytes from, Bytes to, Visit visit);

 private:
  // --- commit
  struct Plan;
  enum class Outcome : std::uint8_t { done, missing, no_space, log_full, device_behind, failed };
  Outcome try_commit(Bytes records, const Plan& plan, PageWait::Missing& missing, Result<Lsn>& lsn);
  class Latches;
  // With the latches of all trees that the records name.
  Outcome prepare(Bytes records, const Plan& plan, PageWait::Missing& missing) UNCHECKED;
  Result<> apply_space(Bytes records);
  void undo_space(Bytes records, std::size_t count);
  void apply_pairs(Bytes records) UNCHECKED;
  Result<> make_room(Outcome outcome, bool& tried_checkpoint);
  std::size_t dirty_pages_max() const { return cache_.pages_max() / 2; }
  void checkpoint_if_due();
  // Asks again after a checkpoint when the answer is ENOSPC and one would give space back.
  template <class Ask>
  auto with_checkpoint(Ask ask) -> decltype(ask());

  // --- checkpoint
  struct Frozen {  // one checkpoint, from the moment it was frozen
    Wal::Cut cut;
    std::uint64_t generation = 0;
    std::array<BTree::Frozen, kTreeCount> trees;
    FrozenSpace space;
    Snapshots::Step step;
    BTree::Checks checks;
    std::size_t pages = 0;
    std::uint64_t grown_to = 0;  // bytes of the volume; 0: as before
  };
  Result<> run_checkpoint(bool clean);
  void freeze(Frozen& frozen, bool pin);
  Result<> put_frozen(BTree& tree, Bytes key, const std::string* value);
  Result<> plan_snapshots(Frozen& frozen);
  Result<> record_snapshots(Frozen& frozen);
  void keep_pinned(const Frozen& frozen, std::string name);
  void freeze_late(Frozen& frozen, Tree tree);
  Result<> record_space(Frozen& frozen);
  Result<> write_pages(Frozen& frozen);
  Result<> write_root(Frozen& frozen, bool clean);
  void complete(Frozen& frozen);
  void discard(const std::vector<Extent>& freed);
  bool is_urgent() const;

  // --- recovery
  Result<> load_space();
  Result<> load_snapshots();
  Result<> mark_adopted(WalReader& reader);
  // store_replay.cc
  struct ReplayBatch;
  enum class Bounded : bool { no, yes };  // ENOSPC also when too many pages are dirty
  Result<> replay(WalReader& reader);
  Result<> replay_batch(const ReplayBatch& batch);
  Result<> replay_pairs(Bytes records, Bounded bounded);
  Result<> replay_tree(BTree& tree, const std::vector<TransactionReader::Record>& all,
                       Bounded bounded);
  BTree::Ready replay_some(BTree& tree, std::span<const TransactionReader::Record> pairs,
                           std::size_t& done, PageWait::Missing& missing);
  Result<> replay_space(Bytes records);
  Result<> keep_dirty_pages_few();
  WalReader reader() const;

  BTree& tree(Tree t) { return *trees_[static_cast<unsigned>(t)]; }

  const std::unique_ptr<BlockDevice> device_;
  const VolumeOptions options_;
  const bool was_clean_;
  const std::uint64_t log_bytes_;
  Health health_;
  bool opened_read_only_ = false;  // as asked, or because the log is damaged
  std::atomic<bool> closed_{false};
  std::atomic<std::uint64_t> grow_to_{0};  // bytes that the next checkpoint makes the volume
  PageCache cache_;
  SpaceMap space_;
  Snapshots snapshots_;
  Mutex pin_mutex_{Rank::leaf};
  std::optional<std::string> pin_wanted_ GUARDED_BY(pin_mutex_);
  std::uint64_t pinned_ GUARDED_BY(pin_mutex_) = 0;  // the number that pin_wanted_ got
  std::array<std::unique_ptr<BTree>, kTreeCount> trees_;
  FlushGroup flushes_;

  SharedLatch gate_{Rank::volume, Channel::gate};
  std::uint64_t generation_ GUARDED_BY(gate_);
  bool map_given_ = false;  // by load_repaired(): the log's changes are in it
  // During replay, before wal_ exists: what a checkpoint would cut at.
  Wal::Cut replayed_;
  std::atomic<std::size_t> frozen_pages_{0};  // of the checkpoint that runs; they count as dirty

  // Of a checkpoint that failed: readers go on, and these pages are nowhere else.
  std::unique_ptr<Frozen> unwritten_;

  Superblock superblock() const;
  mutable Mutex superblock_mutex_{Rank::leaf};
  Superblock superblock_ GUARDED_BY(superblock_mutex_);  // written by one checkpoint at a time

  std::unique_ptr<Wal> wal_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<WarmUp> warm_up_;
};

}  // namespace vexfs
