// SPDX-License-Identifier: Apache-2.0
// IEEE 754 half precision as it lies in files, without asking the CPU for it. Threads: any.
#pragma once
#include <bit>
#include <cstdint>

namespace vexfs {

// Exact: every half is a float. NaN keeps its payload.
constexpr float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float subnormal = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -subnormal : subnormal;
}

}  // namespace vexfs
