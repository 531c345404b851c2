// SPDX-License-Identifier: Apache-2.0
// The level of a node: a function of seed and slot, so that it needs no state, no lock, and a
// graph built again by one thread is the same graph.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "vector/rows.h"

namespace vexfs {

inline constexpr unsigned kLevelMax = 15;

// P(level >= l) = m^-l, the paper's choice of 1/ln(m). Mixed by SplitMix64 (Vigna).
inline unsigned level_of(Slot slot, std::uint64_t seed, std::uint32_t m) {
  std::uint64_t z = seed + (std::uint64_t{slot} + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  const double uniform = (static_cast<double>(z >> 11) + 1) * 0x1p-53;  // (0, 1]
  const double level = -std::log(uniform) / std::log(static_cast<double>(m));
  return static_cast<unsigned>(std::min(level, static_cast<double>(kLevelMax)));
}

}  // namespace vexfs
