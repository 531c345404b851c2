// SPDX-License-Identifier: Apache-2.0
// The two clocks: one for durations, one for time stamps in inodes.
#pragma once
#include <cstdint>
#include <ctime>

namespace vexfs {

inline std::uint64_t monotonic_ns() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return static_cast<std::uint64_t>(ts.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(ts.tv_nsec);
}

inline timespec wall_clock() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts;
}

}  // namespace vexfs
