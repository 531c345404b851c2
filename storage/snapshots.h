// SPDX-License-Identifier: Apache-2.0
// Snapshots: the pinned roots of a volume, and what becomes of the blocks that they alone hold.
//
//   state      freed blocks with a birth not above it     how it ends
//   pinned     go to its list of dead extents             remove() makes it removing
//   removing   as if it were not there                    each checkpoint frees a step of its list
//
// A dead extent of a snapshot was freed while that one was the newest. Removed, what an older
// snapshot may hold (its birth is not above that one) moves to its list; the rest is free.
//
// Always: the list in the tree and the map of free space are of the same checkpoint.
// Threads: those of checkpoints, one at a time; find() and names() any.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/snapshot_format.h"
#include "storage/superblock.h"

namespace vexfs {

// A snapshot as others see it; `generation` is its number.
struct PinnedRoot {
  std::uint64_t generation = 0;
  std::string name;
  Lsn lsn{};
  std::array<TreeRoot, kTreeCount> roots;
};

// A change of Tree::snapshot; no value: erased.
struct SnapshotPair {
  std::string key;
  std::optional<std::string> value;
};

class Snapshots {
 public:
  // --- loading, before all else; EUCLEAN
  Result<> load(Bytes key, Bytes value);

  void pin(PinnedRoot root);                  // recorded by the next checkpoint
  Result<> remove(std::uint64_t generation);  // ENOENT
  std::optional<PinnedRoot> find(std::uint64_t generation) const;
  std::vector<PinnedRoot> all() const;
  bool holds(std::uint64_t generation) const;  // removing ones too
  bool has_work() const;                       // for the next checkpoint
  // Generation of the newest that is pinned; 0: none.
  std::uint64_t newest() const;

  // --- of one checkpoint, in this order
  // What is to be freed of a snapshot that goes: reads records by `next`, which gives those of
  // 'd' keys from a key on, at most as many as it is asked for.
  struct Step {
    std::uint64_t generation = 0;  // 0: nothing to do
    std::vector<std::string> erased;
    std::vector<Extent> freed, moved;
    bool last = false;
  };
  using Records = std::vector<std::pair<std::string, std::string>>;
  std::uint64_t removing() const;  // the one to take a step of; 0: none
  Result<Step> step(std::uint64_t generation, const Records& records, bool last) const;
  // The pairs to write: `dead` were freed while `newest` was the newest.
  std::vector<SnapshotPair> record(const Step& step, const std::vector<Extent>& dead,
                                   std::uint64_t newest);

 private:
  struct One {
    PinnedRoot root;
    std::uint64_t next_dead = 0;
    bool removing = false, changed = false;
  };
  One* at(std::uint64_t generation) REQUIRES(mutex_);
  std::uint64_t before(std::uint64_t generation) const REQUIRES(mutex_);
  void append(One& one, const std::vector<Extent>& dead, std::vector<SnapshotPair>& into)
      REQUIRES(mutex_);

  mutable Mutex mutex_{Rank::leaf};
  std::vector<One> all_ GUARDED_BY(mutex_);  // by generation
};

// A pair of Tree::snapshot. EUCLEAN.
struct DecodedSnapshot {
  PinnedRoot root;
  std::uint64_t next_dead = 0;
  bool removing = false;
};
Result<DecodedSnapshot> decode_snapshot(Bytes key, Bytes value);
std::string encode(const PinnedRoot& root, std::uint64_t next_dead, bool removing);
Result<std::vector<Extent>> decode_dead(Bytes value);

}  // namespace vexfs
