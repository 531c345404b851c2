// SPDX-License-Identifier: Apache-2.0
// Nanoseconds a distance, beside the scalar reference: float32 and 8-bit codes, in the cache and
// gathered from memory that is larger than it. One line a result; each kernel's sum is checked
// against the reference's.
//
//   distance_bench
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>
#include <vector>

#include "base/buffer_pool.h"
#include "vector/beam_search.h"
#include "vector/code_planes.h"
#include "vector/distance.h"
#include "vector/distance_reference.h"

using namespace vexfs;

namespace {

double cpu_ns() {
  timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return 1e9 * static_cast<double>(ts.tv_sec) + static_cast<double>(ts.tv_nsec);
}

// The least of some rounds: what the kernel takes when nobody disturbs it.
template <class Body>
double best_ns(std::size_t distances_a_round, Body body) {
  double best = 1e18;
  for (int round = 0; round < 9; ++round) {
    const double begin = cpu_ns();
    body();
    best = std::min(best, (cpu_ns() - begin) / static_cast<double>(distances_a_round));
  }
  return best;
}

bool bench_float(Metric metric, std::size_t dimension, std::size_t count) {
  std::minstd_rand rng(1);
  std::normal_distribution<float> normal;
  std::vector<float> query(dimension), values(dimension * count), out(count);
  for (float& x : query) x = normal(rng);
  for (float& x : values) x = normal(rng);
  std::vector<const float*> rows;
  for (std::size_t i = 0; i < count; ++i) rows.push_back(&values[rng() % count * dimension]);
  const double fast = best_ns(count, [&] { distances(metric, query, rows, out); });
  double sum = 0, reference_sum = 0;
  for (float x : out) sum += x;
  const double slow = best_ns(count, [&] {
    reference_sum = 0;
    for (const float* row : rows)
      reference_sum += reference::distance(metric, query, {row, dimension});
  });
  std::printf(
      "bench=distance kind=f32 metric=%s dim=%zu rows=%zu ns=%.2f reference_ns=%.2f "
      "ratio=%.1f\n",
      name_of(metric).data(), dimension, count, fast, slow, slow / fast);
  return std::abs(sum - reference_sum) <= 1e-3 * (std::abs(reference_sum) + 1);
}

// Both planes, and the coarse one alone.
bool bench_codes(std::size_t dimension) {
  const Buffer a = Buffer::take(4096), b = Buffer::take(4096), c = Buffer::take(4096);
  const std::span x(reinterpret_cast<std::uint8_t*>(a.data()), dimension);
  auto* const coarse = reinterpret_cast<std::uint8_t*>(b.data());
  auto* const fine = reinterpret_cast<std::uint8_t*>(c.data());
  std::vector<std::uint8_t> y(dimension);
  std::uint32_t expected = 0, expected_coarse = 0, sum = 0;
  for (std::size_t i = 0; i < dimension; ++i) {
    x[i] = static_cast<std::uint8_t>(i * 7), y[i] = static_cast<std::uint8_t>(i * 5 + 60);
    const auto square = [&](int other) {
      const int apart = std::min(std::abs(int{x[i]} - other), 127);
      return static_cast<std::uint32_t>(apart * apart);
    };
    expected += square(y[i]);
    expected_coarse += square((y[i] & 0xf0) | 8);
  }
  split_code(y, coarse, fine);
  constexpr std::size_t kCalls = 20000;
  const double ns = best_ns(kCalls, [&] {
    sum = 0;
    for (std::size_t i = 0; i < kCalls; ++i) sum += row_distance(x, coarse, fine);
  });
  const bool right = sum == static_cast<std::uint32_t>(expected * kCalls);
  const double coarse_ns = best_ns(kCalls, [&] {
    sum = 0;
    for (std::size_t i = 0; i < kCalls; ++i) sum += coarse_distance(x, coarse);
  });
  std::printf("bench=distance kind=u8 metric=l2 dim=%zu ns=%.2f coarse_ns=%.2f\n", dimension, ns,
              coarse_ns);
  return right && sum == static_cast<std::uint32_t>(expected_coarse * kCalls);
}

}  // namespace

int main() {
  bool right = true;
  for (std::size_t dimension : {128, 384, 768})
    for (Metric metric : {Metric::l2, Metric::ip}) {
      right &= bench_float(metric, dimension, 64);
      right &= bench_float(metric, dimension, (std::size_t{64} << 20) / (4 * dimension));
    }
  for (std::size_t dimension : {128, 384, 768}) right &= bench_codes(dimension);
  if (!right) std::fprintf(stderr, "distance_bench: a kernel and the reference disagree\n");
  return right ? 0 : 1;
}
