// SPDX-License-Identifier: Apache-2.0
// Goal: every SIMD target means what the reference means. Method: each target the CPU has, every
// size from 0 past two vectors of it, each misalignment, random values from a printed seed.
#include "vector/distance.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/vector/targets.h"
#include "vector/distance_reference.h"

using namespace vexfs;
using namespace vexfs::test;

namespace {

constexpr unsigned kSeed = 4711;
constexpr Metric kMetrics[] = {Metric::cosine, Metric::l2, Metric::ip};

std::vector<float> random_floats(std::mt19937& rng, std::size_t count) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(rng);
  return values;
}

// Float sums differ by their order: an error that grows with the size is allowed.
void check_near(float value, float expected, std::size_t size) {
  const float allowed = 1e-6f * static_cast<float>(size + 4) * (1 + std::abs(expected));
  CHECK(std::abs(value - expected) <= allowed);
}

}  // namespace

TEST_SUITE_BEGIN("vector/distance");

TEST_CASE("every target agrees with the reference at every size and alignment") {
  CAPTURE(kSeed);
  std::mt19937 rng(kSeed);
  std::vector<std::size_t> sizes;
  for (std::size_t size = 0; size <= 67; ++size) sizes.push_back(size);
  for (std::size_t size : {100, 127, 128, 384, 768, 1000, 4095, 4096}) sizes.push_back(size);
  const std::vector<float> a = random_floats(rng, 4096 + 16), b = random_floats(rng, 4096 + 16);
  on_every_target([&] {
    for (Metric metric : kMetrics)
      for (std::size_t size : sizes)
        for (std::size_t shift : {0, 1, 3, 8}) {
          CAPTURE(size);
          CAPTURE(shift);
          const std::span x(a.data() + shift, size), y(b.data() + 2 * shift / 3, size);
          check_near(distance(metric, x, y), reference::distance(metric, x, y), size);
        }
  });
}

TEST_CASE("the batch form equals the single one for every count of rows") {
  CAPTURE(kSeed);
  std::mt19937 rng(kSeed);
  for (std::size_t dimension : {1, 15, 16, 33, 128, 300}) {
    const std::vector<float> query = random_floats(rng, dimension);
    const std::vector<float> values = random_floats(rng, dimension * 40);
    std::vector<const float*> rows;
    for (std::size_t i = 0; i < 40; ++i) rows.push_back(&values[(i * 7 % 40) * dimension]);
    on_every_target([&] {
      for (Metric metric : kMetrics)
        for (std::size_t count = 0; count <= rows.size(); ++count) {
          std::vector<float> out(count);
          distances(metric, query, std::span(rows).first(count), out);
          for (std::size_t i = 0; i < count; ++i)
            check_near(out[i], reference::distance(metric, query, {rows[i], dimension}), dimension);
        }
    });
  }
}

TEST_CASE("normalise makes unit length, also of very large and very small values") {
  for (float scale : {1e-30f, 1e-3f, 1.0f, 1e30f}) {
    CAPTURE(scale);
    std::vector<float> v = {3 * scale, 4 * scale};
    REQUIRE(normalise(v));
    CHECK(v[0] == doctest::Approx(0.6));
    CHECK(v[1] == doctest::Approx(0.8));
  }
}

TEST_CASE("what has no direction is refused and left alone") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (std::vector<float> v : {std::vector<float>{}, {0, 0}, {1, nan}, {inf, 1}, {-inf, nan}}) {
    const std::vector<float> before = v;
    CHECK_FALSE(normalise(v));
    for (std::size_t i = 0; i < v.size(); ++i)
      CHECK(std::memcmp(&v[i], &before[i], sizeof(float)) == 0);
  }
}

TEST_CASE("one value that is not finite is found at every place") {
  std::vector<float> v(37, 1.5f);
  CHECK(all_finite(v));
  CHECK(all_finite({}));
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()})
    for (float& place : v) {
      place = bad;
      CHECK_FALSE(all_finite(v));
      place = std::numeric_limits<float>::max();
      CHECK(all_finite(v));
    }
}

TEST_SUITE_END();
