// SPDX-License-Identifier: Apache-2.0
// The distance of a query's 8-bit code to rows that stand in two planes (vector/code_planes.h),
// for one SIMD target: sum of min(|a - b|, 127)^2. Coarse: by the upper nibbles alone, a component
// being nibble * 16 + 8. Included once for each target, inside its HWY_BEFORE_NAMESPACE. All are
// 64-byte aligned; `components` is a multiple of 128, a plane has half as many bytes.
//
// The limit outside the cache is lines touched, and coarse rows have half of them; inside it, some
// cheap operations and one vpdpbusd for 64 components. 127 is the most that its signed side takes.
#if defined(VEXFS_CODE_DISTANCE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef VEXFS_CODE_DISTANCE_INL
#undef VEXFS_CODE_DISTANCE_INL
#else
#define VEXFS_CODE_DISTANCE_INL
#endif

#include <immintrin.h>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
// Highway 1.0.3 gives this target avxvnni, not avx512vnni, which the 512-bit form needs.
#if HWY_TARGET <= HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#endif
namespace vexfs {
namespace HWY_NAMESPACE {

#if HWY_TARGET <= HWY_AVX3_DL

HWY_INLINE __m512i load_line(const std::uint8_t* from) {
  return _mm512_load_si512(from);
}

HWY_INLINE __m512i add_line(__m512i sum, __m512i a, __m512i b) {
  const __m512i apart = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
  const __m512i limited = _mm512_min_epu8(apart, _mm512_set1_epi8(127));
  return _mm512_dpbusd_epi32(sum, limited, limited);
}

// The four totals of four registers, by unpacking instead of four reductions.
HWY_INLINE void store_totals(__m512i a, __m512i b, __m512i c, __m512i d, std::uint32_t* out) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                   _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
}

// Bits of `a` where `mask` is set, else of `b`.
HWY_INLINE __m512i select_bits(__m512i mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

// 128 components of a row; kFine: from both planes.
template <bool kFine>
struct Block {
  __m512i first, second;
  HWY_INLINE Block(const std::uint8_t* coarse, const std::uint8_t* fine) {
    const __m512i upper = _mm512_set1_epi8(static_cast<char>(0xf0));
    const __m512i c = load_line(coarse);
    const __m512i low_first = kFine ? load_line(fine) : _mm512_set1_epi8(8);
    const __m512i low_second = kFine ? _mm512_srli_epi16(low_first, 4) : low_first;
    first = select_bits(upper, _mm512_slli_epi16(c, 4), low_first);
    second = select_bits(upper, c, low_second);
  }
};

template <bool kFine>
HWY_INLINE __m512i add_block(__m512i sum, __m512i q0, __m512i q1, const std::uint8_t* coarse,
                             const std::uint8_t* fine) {
  const Block<kFine> block(coarse, fine);
  return add_line(add_line(sum, q0, block.first), q1, block.second);
}

template <bool kFine>
HWY_INLINE std::uint32_t row_distance(const std::uint8_t* HWY_RESTRICT q,
                                      const std::uint8_t* HWY_RESTRICT coarse,
                                      const std::uint8_t* HWY_RESTRICT fine,
                                      std::size_t components) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < components / 2; i += 64)
    sum = add_block<kFine>(sum, load_line(q + 2 * i), load_line(q + 2 * i + 64), coarse + i,
                           fine + i);
  return static_cast<std::uint32_t>(_mm512_reduce_add_epi32(sum));
}

template <bool kFine>
HWY_INLINE void four_row_distances(const std::uint8_t* HWY_RESTRICT q,
                                   const std::uint8_t* const* coarse,
                                   const std::uint8_t* const* fine, std::size_t components,
                                   std::uint32_t* out) {
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
  for (std::size_t i = 0; i < components / 2; i += 64) {
    const __m512i q0 = load_line(q + 2 * i), q1 = load_line(q + 2 * i + 64);
    s0 = add_block<kFine>(s0, q0, q1, coarse[0] + i, fine[0] + i);
    s1 = add_block<kFine>(s1, q0, q1, coarse[1] + i, fine[1] + i);
    s2 = add_block<kFine>(s2, q0, q1, coarse[2] + i, fine[2] + i);
    s3 = add_block<kFine>(s3, q0, q1, coarse[3] + i, fine[3] + i);
  }
  store_totals(s0, s1, s2, s3, out);
}

#else

#if HWY_TARGET == HWY_SCALAR

template <bool kFine>
HWY_INLINE std::uint32_t row_distance(const std::uint8_t* HWY_RESTRICT q,
                                      const std::uint8_t* HWY_RESTRICT coarse,
                                      const std::uint8_t* HWY_RESTRICT fine,
                                      std::size_t components) {
  std::uint32_t sum = 0;
  const auto add = [&](int a, int b) {
    const int apart = a > b ? a - b : b - a;
    const int limited = apart < 127 ? apart : 127;
    sum += static_cast<std::uint32_t>(limited * limited);
  };
  for (std::size_t i = 0; i < components / 2; ++i) {
    const std::size_t at = i / 64 * 128 + i % 64;
    const int low_first = kFine ? fine[i] & 0x0f : 8, low_second = kFine ? fine[i] >> 4 : 8;
    add(q[at], (coarse[i] & 0x0f) << 4 | low_first);
    add(q[at + 64], (coarse[i] & 0xf0) | low_second);
  }
  return sum;
}

#else

template <bool kFine>
HWY_INLINE std::uint32_t row_distance(const std::uint8_t* HWY_RESTRICT q,
                                      const std::uint8_t* HWY_RESTRICT coarse,
                                      const std::uint8_t* HWY_RESTRICT fine,
                                      std::size_t components) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<std::uint8_t> d8;
  const hn::Half<decltype(d8)> half8;
  const hn::Repartition<std::uint16_t, decltype(d8)> du16;
  const hn::Repartition<std::int16_t, decltype(d8)> d16;
  const hn::Repartition<std::int32_t, decltype(d8)> d32;
  const auto most = hn::Set(d8, std::uint8_t{127}), upper = hn::Set(d8, std::uint8_t{0xf0});
  const auto lower = hn::Set(d8, std::uint8_t{0x0f}), middle = hn::Set(d8, std::uint8_t{8});
  auto low_sum = hn::Zero(d32), high_sum = hn::Zero(d32);
  const auto add = [&](auto a, auto b) HWY_ATTR {
    const auto apart = hn::Or(hn::SaturatedSub(a, b), hn::SaturatedSub(b, a));
    const auto limited = hn::Min(apart, most);
    const auto low = hn::PromoteTo(d16, hn::LowerHalf(half8, limited));
    const auto high = hn::PromoteTo(d16, hn::UpperHalf(half8, limited));
    low_sum = hn::ReorderWidenMulAccumulate(d32, low, low, low_sum, high_sum);
    low_sum = hn::ReorderWidenMulAccumulate(d32, high, high, low_sum, high_sum);
  };
  for (std::size_t i = 0; i < components / 2; i += hn::Lanes(d8)) {
    const std::size_t at = i / 64 * 128 + i % 64;
    const auto c = hn::Load(d8, coarse + i);
    const auto raised = hn::BitCast(d8, hn::ShiftLeft<4>(hn::BitCast(du16, c)));
    auto low_first = middle, low_second = middle;
    if constexpr (kFine) {
      const auto f = hn::Load(d8, fine + i);
      low_first = hn::And(f, lower);
      low_second = hn::And(hn::BitCast(d8, hn::ShiftRight<4>(hn::BitCast(du16, f))), lower);
    }
    add(hn::Load(d8, q + at), hn::Or(hn::And(raised, upper), low_first));
    add(hn::Load(d8, q + at + 64), hn::Or(hn::And(c, upper), low_second));
  }
  return static_cast<std::uint32_t>(hn::GetLane(hn::SumOfLanes(d32, hn::Add(low_sum, high_sum))));
}

#endif

template <bool kFine>
HWY_INLINE void four_row_distances(const std::uint8_t* HWY_RESTRICT q,
                                   const std::uint8_t* const* coarse,
                                   const std::uint8_t* const* fine, std::size_t components,
                                   std::uint32_t* out) {
  for (std::size_t i = 0; i < 4; ++i)
    out[i] = row_distance<kFine>(q, coarse[i], fine[i], components);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace vexfs
#if HWY_TARGET <= HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
