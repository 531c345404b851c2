// SPDX-License-Identifier: Apache-2.0
#include "fs/read_pattern.h"

#include <algorithm>

namespace vexfs {

ReadPattern::Plan ReadPattern::read(std::uint64_t first, std::uint32_t blocks) {
  Plan plan;
  const std::uint64_t end = first + blocks;
  if (!any_ || !read_in_line(first, end, plan)) read_in_steps(first, blocks, plan);
  if (!any_) expected_ = end;
  any_ = true;
  last_ = first;
  return plan;
}

void ReadPattern::add(Plan& plan, std::uint64_t first, std::uint64_t blocks) {
  constexpr std::uint64_t kRangeMax = 256;  // 1 MiB
  for (; blocks > 0 && plan.count < kRangesMax;) {
    const std::uint64_t part = std::min(blocks, kRangeMax);
    plan.ranges[plan.count++] = {.first = first, .blocks = static_cast<std::uint32_t>(part)};
    first += part;
    blocks -= part;
  }
}

bool ReadPattern::read_in_line(std::uint64_t first, std::uint64_t end, Plan& plan) {
  // A little before (reads of one window overtake each other) or after what was expected.
  const bool near = first <= expected_ + window_ && first + window_ >= expected_;
  if (!near || (first != expected_ && in_line_ < 2)) return false;
  steps_ = 0;
  ++in_line_;
  expected_ = std::max(expected_, end);
  if (in_line_ < 2) return true;
  ahead_to_ = std::max(ahead_to_, expected_);
  // Half a window is left: the next one goes off while that is read.
  if (ahead_to_ - expected_ > window_ / 2) return true;
  const std::uint64_t to = expected_ + window_;
  add(plan, ahead_to_, to - ahead_to_);
  ahead_to_ = to;
  window_ = std::min(window_ * 2, kWindowMax);
  return true;
}

void ReadPattern::read_in_steps(std::uint64_t first, std::uint32_t blocks, Plan& plan) {
  window_ = std::max(kWindowMin, window_ / 2);
  in_line_ = 0;
  expected_ = first + blocks;
  ahead_to_ = 0;
  const auto step = static_cast<std::int64_t>(first - last_);
  if (!any_ || step == 0 || step != step_) {
    step_ = any_ ? step : 0;
    steps_ = 1;
    steps_ahead_ = 0;
    return;
  }
  if (++steps_ < 3) return;
  // One of those that were read ahead has been used up; as many steps as make up the window.
  if (steps_ahead_ > 0) --steps_ahead_;
  const std::uint32_t wanted = std::clamp(kWindowMin / std::max(blocks, 1u), 2u, 8u);
  for (; steps_ahead_ < wanted && plan.count < kRangesMax; ++steps_ahead_) {
    const std::int64_t to = static_cast<std::int64_t>(first) + step * (steps_ahead_ + 1);
    if (to < 0) break;
    add(plan, static_cast<std::uint64_t>(to), blocks);
  }
}

}  // namespace vexfs
