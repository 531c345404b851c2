// SPDX-License-Identifier: Apache-2.0
// WindowClimber: how large the windows of a cache's TinyLfu shards should be, found by trying.
//
// After every sample of requests it compares the hit ratio with the sample before, goes on in
// the same direction while it rises and turns round when it falls, with steps that get smaller;
// a leap of the ratio says that the load has changed, and the steps are large again. All shards
// share one climber: the ratio of one shard is mostly noise.
// Threads: any. (Einziger et al., "Adaptive Software Cache Management", 2018.)
#pragma once
#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace vexfs {

class WindowClimber {
 public:
  // For a cache of so many entries.
  explicit WindowClimber(std::size_t entries) { resize(entries); }
  void resize(std::size_t entries);

  // The window's share in parts of TinyLfu::kShareAll. For a full cache, with all its hits and
  // misses so far; a step is made when they are enough, and nobody else is making it.
  unsigned climb(std::uint64_t hits, std::uint64_t misses);

 private:
  void step(double ratio) REQUIRES(mutex_);

  std::atomic<unsigned> share_;
  std::atomic<std::uint64_t> next_{0};  // requests at the end of this sample
  Mutex mutex_;                         // a leaf
  std::uint64_t sample_ GUARDED_BY(mutex_) = 0;
  std::uint64_t hits_ GUARDED_BY(mutex_) = 0, requests_ GUARDED_BY(mutex_) = 0;  // until it
  double last_ratio_ GUARDED_BY(mutex_) = -1;  // below 0: no sample yet
  double step_ GUARDED_BY(mutex_) = 0;         // signed, as a share of 1
  double exact_share_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
