// SPDX-License-Identifier: Apache-2.0
// The two hot loops of Quantiser, on the best SIMD target: plain loops took 10 to 14 µs a query
// of 768 components, these under one.
//
// Always: the result is the same on every target, bit for bit. So there is no fused
// multiply-add, and the file is compiled without contraction. Threads: any.
#pragma once
#include <cstdint>
#include <span>

namespace vexfs {

inline constexpr std::uint32_t kRotationBlock = 128;
inline constexpr std::uint32_t kRotationRounds = 3;

// Three rounds, each: gather by `order`, multiply by `signs`, then within each block of 128 an
// 8-point Hadamard transform over components 16 apart. `x` is overwritten; the result is in
// `out`. Sizes: x, out: n (a multiple of 128); order, signs: 3 × n; order's values below n.
void rotate_blocks(std::span<float> x, std::span<const std::int32_t> order,
                   std::span<const float> signs, std::span<float> out);

// code = clamp(round_to_even((x - centre) × steps_a_unit + 127.5), 0, 255).
void quantise(std::span<const float> x, std::span<const float> centre, float steps_a_unit,
              std::span<std::uint8_t> code);

namespace reference {
void rotate_blocks(std::span<float> x, std::span<const std::int32_t> order,
                   std::span<const float> signs, std::span<float> out);
void quantise(std::span<const float> x, std::span<const float> centre, float steps_a_unit,
              std::span<std::uint8_t> code);
}  // namespace reference

}  // namespace vexfs
