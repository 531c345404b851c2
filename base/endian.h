// SPDX-License-Identifier: Apache-2.0
// Le<T>: an integer as it lies on disk. Alignment 1, so structs have no holes.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace vexfs {

template <class T>
class Le {
 public:
  constexpr Le() = default;
  constexpr Le(T value) : raw_(std::bit_cast<Raw>(swap_if_big(value))) {}
  constexpr operator T() const { return swap_if_big(std::bit_cast<T>(raw_)); }

 private:
  using Raw = std::array<std::byte, sizeof(T)>;
  static constexpr T swap_if_big(T v) {
    if constexpr (std::endian::native == std::endian::big) return std::byteswap(v);
    return v;
  }
  Raw raw_{};
};

using le16 = Le<std::uint16_t>;
using le32 = Le<std::uint32_t>;
using le64 = Le<std::uint64_t>;
static_assert(sizeof(le64) == 8 && alignof(le64) == 1);

}  // namespace vexfs
