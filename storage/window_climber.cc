// SPDX-License-Identifier: Apache-2.0
#include "storage/window_climber.h"

#include <algorithm>
#include <cmath>

#include "storage/tiny_lfu.h"

namespace vexfs {

namespace {
constexpr double kShareFirst = 0.01, kShareMin = 0.005, kShareMax = 0.6;
constexpr double kStepFirst = 0.0625, kStepMin = 0.0005, kStepDecay = 0.9;
constexpr double kLeap = 0.05;
constexpr std::uint64_t kSampleMin = 20'000;  // a ratio of fewer requests is noise
}  // namespace

void WindowClimber::resize(std::size_t entries) {
  Lock lock(mutex_);
  sample_ = std::max<std::uint64_t>(kSampleMin, 10 * entries);
  last_ratio_ = -1;
  if (step_ != 0) return;
  step_ = kStepFirst;
  exact_share_ = kShareFirst;
  share_.store(static_cast<unsigned>(kShareFirst * TinyLfu::kShareAll), std::memory_order_relaxed);
}

unsigned WindowClimber::climb(std::uint64_t hits, std::uint64_t misses) {
  const std::uint64_t requests = hits + misses;
  if (requests >= next_.load(std::memory_order_relaxed) && mutex_.try_lock()) {
    if (next_.load(std::memory_order_relaxed) != 0 && requests > requests_)
      step(static_cast<double>(hits - hits_) / static_cast<double>(requests - requests_));
    hits_ = hits;
    requests_ = requests;
    next_.store(requests + sample_, std::memory_order_relaxed);
    mutex_.unlock();
  }
  return share_.load(std::memory_order_relaxed);
}

void WindowClimber::step(double ratio) {
  const double change = ratio - last_ratio_;
  const bool first = last_ratio_ < 0;
  last_ratio_ = ratio;
  if (!first) {
    const double direction = (change >= 0) == (step_ > 0) ? 1 : -1;
    const double size =
        std::abs(change) >= kLeap ? kStepFirst : std::max(kStepMin, std::abs(step_) * kStepDecay);
    step_ = direction * size;
  }
  exact_share_ = std::clamp(exact_share_ + step_, kShareMin, kShareMax);
  share_.store(static_cast<unsigned>(exact_share_ * TinyLfu::kShareAll), std::memory_order_relaxed);
}

}  // namespace vexfs
