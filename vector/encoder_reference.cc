// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "vector/encoder.h"

namespace vexfs::reference {

namespace {

// In place, over x[0], x[16], … x[112].
void hadamard8(float* x) {
  for (std::size_t half = 1; half < 8; half *= 2)
    for (std::size_t i = 0; i < 8; i += 2 * half)
      for (std::size_t j = i; j < i + half; ++j) {
        const float a = x[16 * j], b = x[16 * (j + half)];
        x[16 * j] = a + b;
        x[16 * (j + half)] = a - b;
      }
}

}  // namespace

void rotate_blocks(std::span<float> x, std::span<const std::int32_t> order,
                   std::span<const float> signs, std::span<float> out) {
  const std::size_t n = x.size();
  for (std::size_t round = 0; round < kRotationRounds; ++round) {
    for (std::size_t i = 0; i < n; ++i)
      out[i] = x[static_cast<std::size_t>(order[round * n + i])] * signs[round * n + i];
    for (std::size_t block = 0; block < n; block += kRotationBlock)
      for (std::size_t column = 0; column < 16; ++column) hadamard8(&out[block + column]);
    std::ranges::copy(out, x.begin());
  }
}

void quantise(std::span<const float> x, std::span<const float> centre, float steps_a_unit,
              std::span<std::uint8_t> code) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float position = (x[i] - centre[i]) * steps_a_unit + 127.5f;
    code[i] = static_cast<std::uint8_t>(std::nearbyint(std::clamp(position, 0.0f, 255.0f)));
  }
}

}  // namespace vexfs::reference
