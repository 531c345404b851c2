// SPDX-License-Identifier: Apache-2.0
// Metric: how far apart two vectors are. Distances are "smaller is nearer" for all three.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace vexfs {

inline constexpr std::uint32_t kDimensionMax = 4096;

// The numbers are part of the format.
enum class Metric : std::uint8_t {
  cosine = 0,  // 1 - cos(a, b); rows and queries are stored and asked normalised
  l2 = 1,      // sum of (a - b)^2
  ip = 2,      // -(a . b)
};

constexpr std::string_view name_of(Metric metric) {
  constexpr std::string_view kNames[] = {"cosine", "l2", "ip"};
  return kNames[static_cast<unsigned>(metric)];
}
constexpr std::optional<Metric> metric_of(std::string_view name) {
  if (name == "cosine") return Metric::cosine;
  if (name == "l2") return Metric::l2;
  if (name == "ip") return Metric::ip;
  return std::nullopt;
}

}  // namespace vexfs
