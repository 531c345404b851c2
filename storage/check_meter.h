// SPDX-License-Identifier: Apache-2.0
// CheckMeter: how far a check is, told now and then, and whether it shall end early.
// Threads: any.
#pragma once
#include "base/clock.h"
#include "base/mutex.h"
#include "storage/check.h"

namespace vexfs {

class CheckMeter {
 public:
  explicit CheckMeter(const CheckOptions& options) : options_(options) {}

  void expect(std::uint64_t blocks) {
    Lock lock(mutex_);
    now_.total = blocks;
  }
  void add(std::uint64_t blocks) {
    Lock lock(mutex_);
    now_.done += blocks;
    if (!options_.progress || monotonic_ns() - told_ns_ < kPeriodNs) return;
    told_ns_ = monotonic_ns();
    options_.progress({.done = now_.done, .total = std::max(now_.total, now_.done)});
  }
  bool cancelled() const {
    return options_.cancelled != nullptr && options_.cancelled->load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint64_t kPeriodNs = 100'000'000;
  const CheckOptions& options_;
  Mutex mutex_{Rank::device};
  CheckProgress now_ GUARDED_BY(mutex_);
  std::uint64_t told_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
