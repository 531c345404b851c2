// SPDX-License-Identifier: Apache-2.0
// SpaceRebuild: makes a space again beside the one in force, then switches to it. Dead rows stay
// behind; vectors are copied, or made anew from the words that the text index has where the next
// space has another embedder; files are read only for one that wants their text.
//
//   state      on the volume            in memory         new, changed   questions  a crash leaves
//                                                         files go to    ask
//   learning   record: A                A, an embedder    A              A          A
//   copying    record: A; pieces,       A; B grows        A, are noted   A          A; of B orphans
//              runs, embedder of B
//   catching   as copying               as copying        A, are noted   A          A; of B orphans
//   switching  record: B, in one        A and B whole     wait           A, then B  A or B
//              transaction
//   clearing   record: B; of A less     B; A while a      B              B          B; of A orphans
//              with each step           question holds it
//
// Catching up copies what was noted meanwhile, until it is little; that little is copied while the
// switch holds the gate. A file is copied as its records name it, so one that was read halfway is
// noted by whoever changed it. A worker that prepared a file for A after the switch is told so
// (kReplaced) and does it again for B. Orphans are what stands under an id without a record; the
// next mount frees them (CollectionSet), and what had begun begins again.
//
// Always: every row of B is on the volume before its record is. B's questions are asked with B's
// embedder, for the two are published as one.
// Memory: B, and 8 bytes for each slot of A. Threads: one that nobody waits for.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "search/engine_records.h"
#include "search/engine_state.h"

namespace vexfs {

class SpaceRebuild {
 public:
  struct Wish {
    std::shared_ptr<CollectionSet::Stored> before;
    // Of the next space; other than the one before: vectors are made anew.
    std::shared_ptr<const Embedder> embedder = nullptr;
    bool embed = false;
  };
  // Asked between steps of some milliseconds, with the share that is done; false ends it.
  using Step = FunctionRef<bool(double done)>;

  SpaceRebuild(EngineState& state, const FileRecords& records, Wish wish, Step step);
  // ECANCELED: `step` said so. kReplaced: the space gave way meanwhile. ENOSPC and the like: all
  // is as it was.
  Result<> run();

 private:
  struct Part {
    std::uint32_t part = 0;
    Slot from = kNoSlot, to = kNoSlot;
  };
  Result<> copy_all();
  Result<> catch_up();
  Result<> copy_files(std::span<const Ino> files, bool again);
  Result<> copy_file(Ino ino, bool again);
  std::vector<Part> parts_of(Ino ino) const;
  Result<> copy_parts(Ino ino, std::span<Part> parts);
  std::string text_of(Ino ino, const Part& part) const;
  Result<> copy_batch(Ino ino, std::span<Part* const> batch);
  void kill_others(Ino ino, std::span<const Part> parts);
  Result<> record(Ino ino, std::span<const Part> parts, bool again);
  Result<> commit_if_over(std::size_t bytes);
  Result<> save(SpaceStore::Merge merge);
  Result<> grow_graph();

  EngineState& state_;
  const FileRecords& records_;
  const Wish wish_;
  const Step step_;
  Space& before_;
  std::shared_ptr<CollectionSet::Stored> next_;
  std::vector<Slot> moved_;  // by slot before: the next one
  std::vector<Slot> from_;   // and back
  std::vector<Ino> last_;    // changed; for the switch to copy
  Collection::OwnSlots own_;
  Transaction transaction_;
};

}  // namespace vexfs
