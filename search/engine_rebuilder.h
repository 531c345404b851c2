// SPDX-License-Identifier: Apache-2.0
// IndexRebuilder: decides which space is worth to be made again, has its embedder learn first
// where that is why, and makes one after the other (space_rebuild.h).
//
//   why                                    while nothing waits     while files wait
//   the collection wants another embedder  at once                 at once
//   its embedder is lost                   at once                 at once
//   it would serve better, trained anew    wants_training()        grown fourfold as well
//   dead rows, at least dead_rows_min       over 20 %               over 50 %
//
// Nothing is begun that would take more than half of the volume's free space. Learning and copying
// stop between steps while indexing is paused, and for good at stop; the
// thread has a low priority, so files that come are indexed first. What failed (no space) is tried
// again after a minute.
// Threads: run_one() by one; the rest any.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "search/engine_records.h"
#include "search/engine_state.h"
#include "search/space_rebuild.h"

namespace vexfs {

class IndexRebuilder {
 public:
  IndexRebuilder(EngineState& state, const FileRecords& records)
      : state_(state), records_(records) {}

  // Makes one space again, whole; false: none was worth it.
  bool run_one();

  // Of a collection: nothing to do, or what is done and how far it is.
  struct Progress {
    std::string doing = {};  // "", "due", "learning", "copying"
    unsigned percent = 0;
  };
  Progress progress(const Collection& collection) const;

 private:
  struct Due {
    std::shared_ptr<CollectionSet::Stored> space;
    bool other_embedder = false;  // than its rows were made with
    bool learn = false;
  };
  std::optional<Due> due(const std::shared_ptr<CollectionSet::Stored>& stored, bool busy) const;
  Result<> run(const Due& due);
  Result<> check_room(const Space& space, const Embedder* embedder) const;
  Result<SpaceRebuild::Wish> prepare(const Due& due);
  bool go_on() const;
  void show(std::uint32_t space, std::string doing, unsigned percent);

  EngineState& state_;
  const FileRecords& records_;
  mutable Mutex mutex_{Rank::space};
  std::uint32_t running_ GUARDED_BY(mutex_) = 0;  // space id; 0: none
  Progress running_progress_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint32_t, std::uint64_t> not_before_ns_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
