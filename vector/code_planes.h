// SPDX-License-Identifier: Apache-2.0
// A code in two planes: the upper nibbles of its components, and the lower ones.
//
//   block of 128 components  →  64 bytes of each plane; byte i holds
//     coarse   upper nibble of component i (low half), of component 64 + i (high half)
//     fine     lower nibble of component i,            of component 64 + i
//
// A walk over a graph reads the coarse plane alone, half the cache lines of an 8-bit code; what it
// found is told apart by both. Threads: values; any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace vexfs {

// `code` has a multiple of 128 bytes; a plane has half as many.
inline void split_code(std::span<const std::uint8_t> code, std::uint8_t* coarse,
                       std::uint8_t* fine) {
  for (std::size_t block = 0; block < code.size(); block += 128)
    for (std::size_t i = 0; i < 64; ++i) {
      const unsigned first = code[block + i], second = code[block + 64 + i];
      coarse[block / 2 + i] = static_cast<std::uint8_t>(first >> 4 | (second & 0xf0));
      fine[block / 2 + i] = static_cast<std::uint8_t>((first & 0x0f) | (second & 0x0f) << 4);
    }
}

inline void join_code(const std::uint8_t* coarse, const std::uint8_t* fine,
                      std::span<std::uint8_t> code) {
  for (std::size_t block = 0; block < code.size(); block += 128)
    for (std::size_t i = 0; i < 64; ++i) {
      const unsigned upper = coarse[block / 2 + i], lower = fine[block / 2 + i];
      code[block + i] = static_cast<std::uint8_t>((upper & 0x0f) << 4 | (lower & 0x0f));
      code[block + 64 + i] = static_cast<std::uint8_t>((upper & 0xf0) | lower >> 4);
    }
}

// Without a fine plane.
inline void join_coarse(const std::uint8_t* coarse, std::span<std::uint8_t> code) {
  for (std::size_t block = 0; block < code.size(); block += 128)
    for (std::size_t i = 0; i < 64; ++i) {
      const unsigned upper = coarse[block / 2 + i];
      code[block + i] = static_cast<std::uint8_t>((upper & 0x0f) << 4 | 8);
      code[block + 64 + i] = static_cast<std::uint8_t>((upper & 0xf0) | 8);
    }
}

}  // namespace vexfs
