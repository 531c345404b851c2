// SPDX-License-Identifier: Apache-2.0
// Compiled once for each SIMD target; the table at the end picks one at run time.
//
// The batch form takes four rows at a time, so the query's registers are loaded once for four,
// and asks for the next four meanwhile: outside the cache the cost is cache lines, not
// arithmetic.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/distance.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, which defines what it needs.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "vector/distance.h"

HWY_BEFORE_NAMESPACE();
namespace vexfs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Vec = hn::Vec<Floats>;

// Lines of a row that are asked for ahead; the hardware prefetcher takes over after them.
constexpr std::size_t kPrefetchLinesMax = 12;
constexpr std::size_t kFloatsALine = 16;

struct SquaredDifference {
  static HWY_INLINE Vec add(Vec sum, Vec a, Vec b) {
    const Vec difference = hn::Sub(a, b);
    return hn::MulAdd(difference, difference, sum);
  }
  static HWY_INLINE float add(float sum, float a, float b) { return sum + (a - b) * (a - b); }
};

struct Product {
  static HWY_INLINE Vec add(Vec sum, Vec a, Vec b) { return hn::MulAdd(a, b, sum); }
  static HWY_INLINE float add(float sum, float a, float b) { return sum + a * b; }
};

HWY_INLINE float total(Vec sum) {
  return hn::GetLane(hn::SumOfLanes(Floats(), sum));
}

template <class Term>
HWY_INLINE float one_row(const float* HWY_RESTRICT q, const float* HWY_RESTRICT row,
                         std::size_t n) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  Vec even = hn::Zero(d), odd = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    even = Term::add(even, hn::LoadU(d, q + i), hn::LoadU(d, row + i));
    odd = Term::add(odd, hn::LoadU(d, q + i + lanes), hn::LoadU(d, row + i + lanes));
  }
  for (; i + lanes <= n; i += lanes)
    even = Term::add(even, hn::LoadU(d, q + i), hn::LoadU(d, row + i));
  float sum = total(hn::Add(even, odd));
  for (; i < n; ++i) sum = Term::add(sum, q[i], row[i]);
  return sum;
}

template <class Term>
HWY_INLINE void four_rows(const float* HWY_RESTRICT q, const float* const* rows, std::size_t n,
                          float* out) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  const float *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
  Vec s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vec x = hn::LoadU(d, q + i);
    s0 = Term::add(s0, x, hn::LoadU(d, r0 + i));
    s1 = Term::add(s1, x, hn::LoadU(d, r1 + i));
    s2 = Term::add(s2, x, hn::LoadU(d, r2 + i));
    s3 = Term::add(s3, x, hn::LoadU(d, r3 + i));
  }
  out[0] = total(s0), out[1] = total(s1), out[2] = total(s2), out[3] = total(s3);
  for (; i < n; ++i)
    for (std::size_t r = 0; r < 4; ++r) out[r] = Term::add(out[r], q[i], rows[r][i]);
}

HWY_INLINE void prefetch(const float* row, std::size_t n) {
  const std::size_t end = HWY_MIN(n, kPrefetchLinesMax * kFloatsALine);
  for (std::size_t i = 0; i < end; i += kFloatsALine) hwy::Prefetch(row + i);
}

template <class Term>
HWY_INLINE void all_rows(const float* HWY_RESTRICT q, const float* const* rows, std::size_t count,
                         std::size_t n, float* out) {
  for (std::size_t i = 0; i < HWY_MIN(count, std::size_t{4}); ++i) prefetch(rows[i], n);
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::size_t j = i + 4; j < HWY_MIN(i + 8, count); ++j) prefetch(rows[j], n);
    four_rows<Term>(q, rows + i, n, out + i);
  }
  for (; i < count; ++i) out[i] = one_row<Term>(q, rows[i], n);
}

void L2Rows(const float* q, const float* const* rows, std::size_t count, std::size_t n,
            float* out) {
  all_rows<SquaredDifference>(q, rows, count, n, out);
}

void DotRows(const float* q, const float* const* rows, std::size_t count, std::size_t n,
             float* out) {
  all_rows<Product>(q, rows, count, n, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace vexfs
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include <bit>
#include <cmath>
#include <cstdint>

#include "base/assert.h"

namespace vexfs {

HWY_EXPORT(L2Rows);
HWY_EXPORT(DotRows);

void distances(Metric metric, std::span<const float> query, std::span<const float* const> rows,
               std::span<float> out) {
  VEXFS_ASSERT(rows.size() == out.size());
  if (metric == Metric::l2) {
    HWY_DYNAMIC_DISPATCH(L2Rows)
    (query.data(), rows.data(), rows.size(), query.size(), out.data());
    return;
  }
  HWY_DYNAMIC_DISPATCH(DotRows)
  (query.data(), rows.data(), rows.size(), query.size(), out.data());
  for (float& value : out) value = metric == Metric::cosine ? 1 - value : -value;
}

float distance(Metric metric, std::span<const float> a, std::span<const float> b) {
  VEXFS_ASSERT(a.size() == b.size());
  const float* row = b.data();
  float out = 0;
  distances(metric, a, {&row, 1}, {&out, 1});
  return out;
}

bool normalise(std::span<float> v) {
  // In double: the square of a float neither overflows nor vanishes there.
  double squared = 0;
  for (float x : v) squared += double{x} * double{x};
  if (squared == 0 || !std::isfinite(squared)) return false;
  const double scale = 1 / std::sqrt(squared);
  for (float& x : v) x = static_cast<float>(double{x} * scale);
  return true;
}

bool all_finite(std::span<const float> v) {
  constexpr std::uint32_t kExponent = 0x7f800000;  // all ones: NaN or Inf
  bool finite = true;
  for (float x : v) finite &= (std::bit_cast<std::uint32_t>(x) & kExponent) != kExponent;
  return finite;
}

}  // namespace vexfs
#endif  // HWY_ONCE
