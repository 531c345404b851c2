// SPDX-License-Identifier: Apache-2.0
// MemoryGovernor: keeps what a daemon's parts hold in memory within one budget.
//
//   level   from    who gives, in this order (MemoryConsumer::gives_at)
//   calm    -       nobody; who has given gets its share back, step by step
//   trim    70 %    what is free already: pools
//   shrink  85 %    caches, whose content can be read again
//   hold    95 %    what makes new memory dirty: writers wait for the disk
//
// Percent of the budget, or of less when the machine runs short: half of what it has available
// may still come to what is held. Who gives does so until the sum is 60 %; a level ends 5 points
// below where it begins, so nothing swings.
// Threads: add() before start(); tick() on one thread, which is the governor's after start().
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/memory_figures.h"
#include "base/metrics.h"
#include "base/mutex.h"

namespace vexfs {

enum class MemoryLevel : std::uint8_t { calm, trim, shrink, hold };

struct MemoryConsumer {
  std::string name;  // as the metrics say it
  MemoryLevel gives_at = MemoryLevel::shrink;
  std::size_t share = 0;  // what it may hold in calm; it begins with that
  std::size_t floor = 0;  // never asked for less
  std::move_only_function<std::size_t()> used;
  // From now on hold at most so much: less than before, or more again. Does not wait. None: what
  // cannot give is counted all the same, and the others give for it.
  std::move_only_function<void(std::size_t)> hold_to = nullptr;
};

// How a budget is divided; the rest is for buffers of requests.
struct MemoryShares {
  std::size_t page_cache = 0, dirty_data = 0, read_ahead = 0;
};
MemoryShares memory_shares(std::size_t budget);

// A quarter of what there is, 64 MiB to 1 GiB.
std::size_t default_memory_budget(const MemoryFigures& figures);

class MemoryGovernor {
 public:
  using Source = std::move_only_function<MemoryFigures()>;
  MemoryGovernor(std::size_t budget, Source source);
  ~MemoryGovernor();
  void add(MemoryConsumer consumer);
  // Looks every second, more often when memory is short.
  void start();
  void stop();
  // One look, and what follows from it.
  MemoryLevel tick();

 private:
  struct Held {
    MemoryConsumer consumer;
    std::size_t limit;
    Gauge& used;
    Counter& shrinks;
  };
  void give(std::size_t sum, std::size_t goal);
  void grow(std::size_t sum, std::size_t goal);
  void run();

  const std::size_t budget_;
  Source source_;
  std::vector<Held> consumers_;  // in the order in which they give
  MemoryLevel level_ = MemoryLevel::calm;

  Mutex mutex_;
  CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vexfs
