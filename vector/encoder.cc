// SPDX-License-Identifier: Apache-2.0
#define HWY_WANT_AVX3_DL 1
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/encoder.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, which defines what it needs.
#include <hwy/highway.h>

#include <utility>

#include "vector/encoder.h"

HWY_BEFORE_NAMESPACE();
namespace vexfs {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

void Rotate(std::span<float> x, std::span<const std::int32_t> order, std::span<const float> signs,
            std::span<float> out) {
  reference::rotate_blocks(x, order, signs, out);
}
void Quantise(std::span<const float> x, std::span<const float> centre, float steps_a_unit,
              std::span<std::uint8_t> code) {
  reference::quantise(x, centre, steps_a_unit, code);
}

#else

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::CappedTag<float, 16>;  // the Hadamard transform works on columns of 16
using Ints = hn::RebindToSigned<Floats>;
using Vec = hn::Vec<Floats>;

constexpr std::size_t kRowFloats = 16;  // eight such rows make a block

// One column of Lanes components: eight gathered vectors, transformed, stored.
HWY_INLINE void transform(const float* HWY_RESTRICT from, const std::int32_t* HWY_RESTRICT order,
                          const float* HWY_RESTRICT signs, float* HWY_RESTRICT to) {
  const Floats d;
  const Ints di;
  const auto gathered = [&](std::size_t row) HWY_ATTR {
    const std::size_t at = row * kRowFloats;
    return hn::Mul(hn::GatherIndex(d, from, hn::LoadU(di, order + at)), hn::LoadU(d, signs + at));
  };
  const Vec a0 = gathered(0), a1 = gathered(1), a2 = gathered(2), a3 = gathered(3);
  const Vec a4 = gathered(4), a5 = gathered(5), a6 = gathered(6), a7 = gathered(7);
  const Vec b0 = hn::Add(a0, a1), b1 = hn::Sub(a0, a1), b2 = hn::Add(a2, a3);
  const Vec b3 = hn::Sub(a2, a3), b4 = hn::Add(a4, a5), b5 = hn::Sub(a4, a5);
  const Vec b6 = hn::Add(a6, a7), b7 = hn::Sub(a6, a7);
  const Vec c0 = hn::Add(b0, b2), c2 = hn::Sub(b0, b2), c1 = hn::Add(b1, b3);
  const Vec c3 = hn::Sub(b1, b3), c4 = hn::Add(b4, b6), c6 = hn::Sub(b4, b6);
  const Vec c5 = hn::Add(b5, b7), c7 = hn::Sub(b5, b7);
  hn::StoreU(hn::Add(c0, c4), d, to);
  hn::StoreU(hn::Add(c1, c5), d, to + 1 * kRowFloats);
  hn::StoreU(hn::Add(c2, c6), d, to + 2 * kRowFloats);
  hn::StoreU(hn::Add(c3, c7), d, to + 3 * kRowFloats);
  hn::StoreU(hn::Sub(c0, c4), d, to + 4 * kRowFloats);
  hn::StoreU(hn::Sub(c1, c5), d, to + 5 * kRowFloats);
  hn::StoreU(hn::Sub(c2, c6), d, to + 6 * kRowFloats);
  hn::StoreU(hn::Sub(c3, c7), d, to + 7 * kRowFloats);
}

void Rotate(std::span<float> x, std::span<const std::int32_t> order, std::span<const float> signs,
            std::span<float> out) {
  const std::size_t n = x.size();
  float *from = x.data(), *to = out.data();
  for (std::size_t round = 0; round < kRotationRounds; ++round) {
    for (std::size_t block = 0; block < n; block += kRotationBlock)
      for (std::size_t column = 0; column < kRowFloats; column += hn::Lanes(Floats())) {
        const std::size_t at = block + column;
        transform(from, order.data() + round * n + at, signs.data() + round * n + at, to + at);
      }
    std::swap(from, to);
  }
  static_assert(kRotationRounds % 2 == 1, "the last round ends in `out`");
}

void Quantise(std::span<const float> x, std::span<const float> centre, float steps_a_unit,
              std::span<std::uint8_t> code) {
  const Floats d;
  const hn::Rebind<std::uint8_t, Floats> d8;
  const Vec steps = hn::Set(d, steps_a_unit), middle = hn::Set(d, 127.5f);
  const Vec most = hn::Set(d, 255.0f), least = hn::Zero(d);
  for (std::size_t i = 0; i < x.size(); i += hn::Lanes(d)) {
    const Vec centred = hn::Sub(hn::LoadU(d, &x[i]), hn::LoadU(d, &centre[i]));
    const Vec position = hn::Add(hn::Mul(centred, steps), middle);
    const Vec limited = hn::Min(hn::Max(position, least), most);
    hn::StoreU(hn::DemoteTo(d8, hn::NearestInt(limited)), d8, &code[i]);
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace vexfs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include "base/assert.h"

namespace vexfs {

HWY_EXPORT(Rotate);
HWY_EXPORT(Quantise);

void rotate_blocks(std::span<float> x, std::span<const std::int32_t> order,
                   std::span<const float> signs, std::span<float> out) {
  VEXFS_ASSERT(x.size() % kRotationBlock == 0 && x.size() == out.size());
  VEXFS_ASSERT(order.size() == kRotationRounds * x.size() && signs.size() == order.size());
  HWY_DYNAMIC_DISPATCH(Rotate)(x, order, signs, out);
}

void quantise(std::span<const float> x, std::span<const float> centre, float steps_a_unit,
              std::span<std::uint8_t> code) {
  VEXFS_ASSERT(x.size() % kRotationBlock == 0 && x.size() == centre.size());
  VEXFS_ASSERT(x.size() == code.size());
  HWY_DYNAMIC_DISPATCH(Quantise)(x, centre, steps_a_unit, code);
}

}  // namespace vexfs
#endif  // HWY_ONCE
