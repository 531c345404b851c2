// SPDX-License-Identifier: Apache-2.0
// Goal: codes are the same on every target and their distance tells the true one as well as the
// promised error says. Method: the reference loops, random vectors from a printed seed, and the
// limit that a search stops at held to true distances.
#define HWY_WANT_AVX3_DL 1  // so that this file counts the same targets as the code
#include "vector/quantiser.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "base/buffer_pool.h"
#include "tests/vector/targets.h"
#include "vector/beam_search.h"
#include "vector/code_planes.h"
#include "vector/distance.h"
#include "vector/encoder.h"

using namespace vexfs;
using namespace vexfs::test;

namespace {

constexpr unsigned kSeed = 31;
constexpr Metric kMetrics[] = {Metric::cosine, Metric::l2, Metric::ip};

std::vector<float> random_floats(std::mt19937& rng, std::size_t count, float sigma = 1) {
  std::normal_distribution<float> normal(0.3f, sigma);
  std::vector<float> values(count);
  for (float& value : values) value = normal(rng);
  return values;
}

struct Sample {
  std::vector<std::vector<float>> rows;
  std::vector<const float*> pointers;
  Sample(std::mt19937& rng, Metric metric, std::size_t count, std::size_t dimension) {
    for (std::size_t i = 0; i < count; ++i) {
      rows.push_back(random_floats(rng, dimension));
      if (metric == Metric::cosine) normalise(rows.back());
    }
    for (const auto& row : rows) pointers.push_back(row.data());
  }
};

class Code {
 public:
  explicit Code(std::size_t bytes) : buffer_(Buffer::take(bytes)) {
    std::memset(buffer_.data(), 0, bytes);
  }
  std::span<std::uint8_t> bytes() const {
    return {reinterpret_cast<std::uint8_t*>(buffer_.data()), buffer_.size()};
  }

 private:
  Buffer buffer_;
};

std::uint32_t code_distance_reference(std::span<const std::uint8_t> a,
                                      std::span<const std::uint8_t> b) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const int apart = std::min(std::abs(int{a[i]} - int{b[i]}), 127);
    sum += static_cast<std::uint32_t>(apart * apart);
  }
  return sum;
}

}  // namespace

TEST_SUITE_BEGIN("vector/quantiser");

TEST_CASE("distances to a code in planes equal the reference on every target and size") {
  CAPTURE(kSeed);
  std::mt19937 rng(kSeed);
  for (std::size_t size = 0; size <= 4224; size += size < 1024 ? 128 : 640) {
    Code a(size + 128), coarse(size / 2 + 64), fine(size / 2 + 64);
    std::vector<std::uint8_t> b(size + 128), middle(size + 128);
    for (std::uint8_t& x : a.bytes()) x = static_cast<std::uint8_t>(rng());
    for (std::uint8_t& x : b) x = static_cast<std::uint8_t>(rng());
    std::ranges::fill(a.bytes().last(64), 255);  // the largest difference
    std::fill_n(b.end() - 64, 64, 0);
    std::ranges::transform(b, middle.begin(), [](std::uint8_t x) { return (x & 0xf0) | 8; });
    split_code(b, coarse.bytes().data(), fine.bytes().data());
    const std::uint32_t expected = code_distance_reference(a.bytes(), b);
    const std::uint32_t expected_coarse = code_distance_reference(a.bytes(), middle);
    on_every_target([&] {
      CHECK(row_distance(a.bytes(), coarse.bytes().data(), fine.bytes().data()) == expected);
      CHECK(coarse_distance(a.bytes(), coarse.bytes().data()) == expected_coarse);
    });
    std::vector<std::uint8_t> joined(b.size());
    join_code(coarse.bytes().data(), fine.bytes().data(), joined);
    CHECK(joined == b);
    join_coarse(coarse.bytes().data(), joined);
    CHECK(joined == middle);
  }
}

TEST_CASE("rotation and codes are bit for bit the reference's on every target") {
  CAPTURE(kSeed);
  std::mt19937 rng(kSeed);
  for (std::size_t n : {128, 256, 768, 4224}) {
    std::vector<std::int32_t> order(kRotationRounds * n);
    for (std::size_t round = 0; round < kRotationRounds; ++round) {
      const auto begin = order.begin() + static_cast<std::ptrdiff_t>(round * n);
      std::iota(begin, begin + static_cast<std::ptrdiff_t>(n), 0);
      std::shuffle(begin, begin + static_cast<std::ptrdiff_t>(n), rng);
    }
    const std::vector<float> signs = random_floats(rng, kRotationRounds * n);
    const std::vector<float> x = random_floats(rng, n, 10), centre = random_floats(rng, n);
    std::vector<float> input = x, expected(n);
    reference::rotate_blocks(input, order, signs, expected);
    std::vector<std::uint8_t> expected_code(n);
    reference::quantise(expected, centre, 0.37f, expected_code);
    on_every_target([&] {
      std::vector<float> again = x, out(n);
      rotate_blocks(again, order, signs, out);
      CHECK(std::memcmp(out.data(), expected.data(), n * sizeof(float)) == 0);
      std::vector<std::uint8_t> code(n);
      quantise(out, centre, 0.37f, code);
      CHECK(code == expected_code);
    });
  }
}

TEST_CASE("the order by codes is nearly the order by rows, for every metric and dimension") {
  CAPTURE(kSeed);
  std::mt19937 rng(kSeed);
  for (Metric metric : kMetrics)
    for (std::uint32_t dimension : {1u, 3u, 100u, 384u, 4096u}) {
      CAPTURE(name_of(metric));
      CAPTURE(dimension);
      const Sample sample(rng, metric, 200, dimension);
      const Quantiser quantiser = Quantiser::train(metric, dimension, sample.pointers);
      Code query_code(quantiser.cell_bytes()), row_code(quantiser.cell_bytes());
      const std::size_t components = quantiser.code_bytes();
      Code coarse(components / 2), fine(components / 2);
      std::size_t beyond = 0, beyond_coarse = 0, looked_at = 0;
      for (int q = 0; q < 20; ++q) {
        const std::vector<float>& query = sample.rows[static_cast<std::size_t>(q) * 7];
        const auto question = quantiser.encode_question(query, query_code.bytes());
        CHECK(question.fit.clipped <= quantiser.code_bytes() / 10);
        for (const auto& row : sample.rows) {
          quantiser.encode_row(row, row_code.bytes());
          const std::span<const std::uint8_t> code = query_code.bytes().first(components);
          split_code(row_code.bytes().first(components), coarse.bytes().data(),
                     fine.bytes().data());
          float extra = 0;
          if (quantiser.has_extra()) {
            float x, y;
            std::memcpy(&x, &query_code.bytes()[components], sizeof x);
            std::memcpy(&y, &row_code.bytes()[components], sizeof y);
            extra = (x - y) * (x - y);
          }
          const float by_codes = extra + static_cast<float>(row_distance(
                                             code, coarse.bytes().data(), fine.bytes().data()));
          const float by_coarse =
              extra + static_cast<float>(coarse_distance(code, coarse.bytes().data()));
          const float exact = distance(metric, query, row);
          // Rows that are nearer than the limit says must not be left out, but for a few.
          beyond +=
              by_codes > quantiser.code_distance_limit(question.base + question.scale * exact);
          beyond_coarse += by_coarse > quantiser.coarse_distance_limit(by_codes);
          ++looked_at;
        }
      }
      CHECK(static_cast<double>(beyond) <= 0.04 * static_cast<double>(looked_at));
      CHECK(static_cast<double>(beyond_coarse) <= 0.01 * static_cast<double>(looked_at));
    }
}

TEST_CASE("rows that do not fit say so") {
  std::mt19937 rng(kSeed);
  for (Metric metric : {Metric::l2, Metric::ip}) {
    const Sample sample(rng, metric, 100, 64);
    const Quantiser quantiser = Quantiser::train(metric, 64, sample.pointers);
    Code code(quantiser.cell_bytes());
    const auto fit = quantiser.encode_row(sample.rows[0], code.bytes());
    CHECK(fit.clipped < 5);
    std::vector<float> far = sample.rows[0];
    for (float& x : far) x *= 20;
    const auto far_fit = quantiser.encode_row(far, code.bytes());
    CHECK(far_fit.clipped > quantiser.code_bytes() / 2);
    CHECK(quantiser.takes(sample.rows[0]));
    CHECK(quantiser.takes(far) == (metric != Metric::ip));
  }
}

TEST_CASE("rows that are all alike, zero, tiny or huge make a quantiser") {
  for (float value : {0.0f, 1e-38f, 1.0f, 1e18f})
    for (Metric metric : {Metric::l2, Metric::ip}) {
      CAPTURE(value);
      const std::vector<float> row(10, value);
      const std::vector<const float*> rows(3, row.data());
      const Quantiser quantiser = Quantiser::train(metric, 10, rows);
      Code a(quantiser.cell_bytes()), b(quantiser.cell_bytes());
      quantiser.encode_row(row, a.bytes());
      quantiser.encode_row(row, b.bytes());
      CHECK(std::ranges::equal(a.bytes(), b.bytes()));
    }
}

TEST_CASE("a quantiser reads back as it was, and nothing else is taken for one") {
  std::mt19937 rng(kSeed);
  for (Metric metric : kMetrics) {
    const Sample sample(rng, metric, 50, 40);
    const Quantiser quantiser = Quantiser::train(metric, 40, sample.pointers);
    const std::string bytes = quantiser.encoded();
    const auto again = Quantiser::decode(metric, 40, bytes);
    REQUIRE(again);
    Code a(quantiser.cell_bytes()), b(quantiser.cell_bytes());
    for (const auto& row : sample.rows) {
      quantiser.encode_row(row, a.bytes());
      again->encode_row(row, b.bytes());
      CHECK(std::ranges::equal(a.bytes(), b.bytes()));
    }
    for (std::size_t size = 0; size < bytes.size(); size += 3)
      CHECK_FALSE(Quantiser::decode(metric, 40, bytes.substr(0, size)));
    CHECK_FALSE(Quantiser::decode(metric, 300, bytes));
    std::string bad = bytes;
    bad.replace(0, 4, "\xff\xff\xff\xff");
    CHECK(Quantiser::decode(metric, 40, bad).error().code == EUCLEAN);
  }
}

TEST_SUITE_END();
