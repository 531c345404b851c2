// SPDX-License-Identifier: Apache-2.0
// The distance between 8-bit codes, for one SIMD target: sum of min(|a - b|, 127)^2.
// Included once for each target, inside its HWY_BEFORE_NAMESPACE. Both codes are 64-byte aligned
// and `bytes` long, a multiple of 64.
//
// The limit outside the cache is lines touched; inside it, three cheap operations and one
// vpdpbusd for 64 components. 127 is the most that its signed side takes.
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

HWY_INLINE std::uint32_t code_distance(const std::uint8_t* HWY_RESTRICT q,
                                       const std::uint8_t* HWY_RESTRICT row, std::size_t bytes) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < bytes; i += 64)
    sum = add_line(sum, load_line(q + i), load_line(row + i));
  return static_cast<std::uint32_t>(_mm512_reduce_add_epi32(sum));
}

HWY_INLINE void four_code_distances(const std::uint8_t* HWY_RESTRICT q,
                                    const std::uint8_t* const* rows, std::size_t bytes,
                                    std::uint32_t* out) {
  const std::uint8_t *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
  for (std::size_t i = 0; i < bytes; i += 64) {
    const __m512i line = load_line(q + i);
    s0 = add_line(s0, line, load_line(r0 + i));
    s1 = add_line(s1, line, load_line(r1 + i));
    s2 = add_line(s2, line, load_line(r2 + i));
    s3 = add_line(s3, line, load_line(r3 + i));
  }
  store_totals(s0, s1, s2, s3, out);
}

#else

HWY_INLINE std::uint32_t code_distance(const std::uint8_t* HWY_RESTRICT q,
                                       const std::uint8_t* HWY_RESTRICT row, std::size_t bytes) {
#if HWY_TARGET == HWY_SCALAR
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const int apart = q[i] > row[i] ? q[i] - row[i] : row[i] - q[i];
    const int limited = apart < 127 ? apart : 127;
    sum += static_cast<std::uint32_t>(limited * limited);
  }
  return sum;
#else
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<std::uint8_t> d8;
  const hn::Half<decltype(d8)> half8;
  const hn::Repartition<std::int16_t, decltype(d8)> d16;
  const hn::Repartition<std::int32_t, decltype(d8)> d32;
  const auto most = hn::Set(d8, std::uint8_t{127});
  auto low_sum = hn::Zero(d32), high_sum = hn::Zero(d32);
  for (std::size_t i = 0; i < bytes; i += hn::Lanes(d8)) {
    const auto a = hn::Load(d8, q + i), b = hn::Load(d8, row + i);
    const auto apart = hn::Or(hn::SaturatedSub(a, b), hn::SaturatedSub(b, a));
    const auto limited = hn::Min(apart, most);
    const auto low = hn::PromoteTo(d16, hn::LowerHalf(half8, limited));
    const auto high = hn::PromoteTo(d16, hn::UpperHalf(half8, limited));
    low_sum = hn::ReorderWidenMulAccumulate(d32, low, low, low_sum, high_sum);
    low_sum = hn::ReorderWidenMulAccumulate(d32, high, high, low_sum, high_sum);
  }
  return static_cast<std::uint32_t>(hn::GetLane(hn::SumOfLanes(d32, hn::Add(low_sum, high_sum))));
#endif
}

HWY_INLINE void four_code_distances(const std::uint8_t* HWY_RESTRICT q,
                                    const std::uint8_t* const* rows, std::size_t bytes,
                                    std::uint32_t* out) {
  for (std::size_t i = 0; i < 4; ++i) out[i] = code_distance(q, rows[i], bytes);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace vexfs
#if HWY_TARGET <= HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
