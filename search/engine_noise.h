// SPDX-License-Identifier: Apache-2.0
// NoiseLevels: for each computed space the cosine below which a chunk says nothing about a
// question (INTERFACE §9, What a hit is). Measured on questions made of the space's own words
// against its own rows, again when its content has changed.
// Threads: any.
#pragma once
#include <unordered_map>

#include "base/mutex.h"
#include "search/collection.h"
#include "search/embedder.h"

namespace vexfs {

class NoiseLevels {
 public:
  // `settled`: nothing waits to be indexed, so it is worth to measure what has changed little.
  float of(const Collection::Computed& computed, const Embedder& embedder, bool settled);

 private:
  struct Known {
    float level = 1;
    std::uint32_t live = 0, size = 0;  // of the space when it was measured
  };
  Mutex mutex_{Rank::engine};
  std::unordered_map<std::uint32_t, Known> known_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
