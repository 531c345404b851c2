// SPDX-License-Identifier: Apache-2.0
// Varints: seven bits a byte, lowest first, the top bit says "more". As in LEB128.
// Threads: any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace vexfs {

inline constexpr std::size_t kVarintBytesMax = 5;

// Writes 1 to kVarintBytesMax bytes; returns their end.
inline std::byte* put_varint(std::byte* to, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<std::byte>(value | 0x80);
  *to++ = static_cast<std::byte>(value);
  return to;
}

// Of bytes that put_varint() wrote in this process: not checked.
inline const std::byte* take_varint(const std::byte* from, std::uint32_t& value) {
  value = static_cast<std::uint32_t>(*from) & 0x7f;
  for (unsigned shift = 7; static_cast<std::uint32_t>(*from++) & 0x80; shift += 7)
    value |= (static_cast<std::uint32_t>(*from) & 0x7f) << shift;
  return from;
}

// Of bytes from a disk: nothing when they end early or the value is over 32 bits.
inline std::optional<std::uint32_t> checked_varint(Bytes& from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kVarintBytesMax && i < from.size(); ++i) {
    const auto byte = static_cast<std::uint64_t>(from[i]);
    value |= (byte & 0x7f) << (7 * i);
    if (byte & 0x80) continue;
    from = from.subspan(i + 1);
    if (value > 0xffffffffu) return std::nullopt;
    return static_cast<std::uint32_t>(value);
  }
  return std::nullopt;
}

}  // namespace vexfs
