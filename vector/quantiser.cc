// SPDX-License-Identifier: Apache-2.0
#include "vector/quantiser.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/endian.h"
#include "vector/encoder.h"

namespace vexfs {

namespace {

constexpr float kMiddle = 127.5f;
constexpr float kRangeSigmas = 3.5f;
constexpr double kInRange = 0.999;        // part of all components that the range must hold
constexpr float kNormMost = 1e18f;        // float32 distances end there, too
constexpr float kNormReserve = 1.1f;      // of ip: rows that come may be a little longer
constexpr float kLimitDeviations = 2.0f;  // of the code distance's error
constexpr std::uint32_t kDimensionForLimitMin = 32;

// SplitMix64 (Vigna): the rotation is the same everywhere, forever.
class Random {
 public:
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t end) {
    return static_cast<std::uint32_t>(((next() >> 32) * end) >> 32);
  }

 private:
  std::uint64_t state_ = 7;
};

std::span<float> floats_of(const Buffer& buffer, std::size_t count) {
  return {reinterpret_cast<float*>(buffer.data()), count};
}

double squared_norm(std::span<const float> x) {
  double sum = 0;
  for (float value : x) sum += double{value} * double{value};
  return sum;
}

}  // namespace

Quantiser::Quantiser(Metric metric, std::uint32_t dimension)
    : metric_(metric),
      dimension_(dimension),
      padded_((dimension + kRotationBlock - 1) / kRotationBlock * kRotationBlock),
      centre_(padded_, 0.0f) {
  make_rotation();
}

void Quantiser::make_rotation() {
  Random random;
  for (std::uint32_t round = 0; round < kRotationRounds; ++round) {
    std::vector<std::int32_t> order(padded_);
    std::iota(order.begin(), order.end(), 0);
    for (std::uint32_t i = padded_; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    order_.insert(order_.end(), order.begin(), order.end());
    constexpr float kUnit = 0.35355339059327373f;  // 1/sqrt(8): the transform keeps lengths
    for (std::uint32_t i = 0; i < padded_; ++i)
      signs_.push_back((random.next() & 1) != 0 ? kUnit : -kUnit);
  }
}

bool Quantiser::takes(std::span<const float> row) const {
  return metric_ != Metric::ip || norm_max_ >= kNormMost ||
         squared_norm(row) <= double{norm_max_} * norm_max_;
}

void Quantiser::rotate(std::span<const float> x, float scale, std::span<float> rotated) const {
  const Buffer buffer = Buffer::take(padded_ * sizeof(float));
  const std::span<float> input = floats_of(buffer, padded_);
  for (std::size_t i = 0; i < x.size(); ++i) input[i] = scale * x[i];
  std::fill(input.begin() + static_cast<std::ptrdiff_t>(x.size()), input.end(), 0.0f);
  rotate_blocks(input, order_, signs_, rotated);
}

Quantiser::Fit Quantiser::encode(std::span<const float> x, float scale,
                                 std::span<std::uint8_t> cell) const {
  VEXFS_ASSERT(x.size() == dimension_ && cell.size() == cell_bytes());
  const Buffer buffer = Buffer::take(padded_ * sizeof(float));
  const std::span<float> rotated = floats_of(buffer, padded_);
  rotate(x, scale, rotated);
  const std::span<std::uint8_t> code = cell.first(padded_);
  quantise(rotated, centre_, 1 / step_, code);
  Fit fit;
  std::uint32_t squares = 0;  // of twice the distance to the middle: at most 255² × 4096
  for (std::uint8_t c : code) {
    fit.clipped += c == 0 || c == 255;
    const std::int32_t twice = 2 * std::int32_t{c} - 255;
    squares += static_cast<std::uint32_t>(twice * twice);
  }
  fit.spread = squares / 4.0 / padded_;
  return fit;
}

Quantiser Quantiser::train(Metric metric, std::uint32_t dimension,
                           std::span<const float* const> rows, float longest) {
  VEXFS_ASSERT(!rows.empty());
  Quantiser q(metric, dimension);
  const std::size_t n = q.padded_;
  for (const float* row : rows)
    longest = std::max(longest, static_cast<float>(std::sqrt(squared_norm({row, dimension}))));
  if (longest > 0) q.norm_max_ = kNormReserve * std::min(longest, kNormMost);
  std::vector<float> all(rows.size() * n);
  std::vector<double> sums(n, 0.0);
  double norms = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::span<float> rotated = std::span(all).subspan(r * n, n);
    q.rotate({rows[r], dimension}, 1, rotated);
    for (std::size_t i = 0; i < n; ++i) sums[i] += rotated[i];
    norms += std::sqrt(squared_norm({rows[r], dimension}));
  }
  if (norms > 0) q.norm_usual_ = static_cast<float>(norms / static_cast<double>(rows.size()));
  // One row has no spread around itself: then the middle is the origin.
  if (rows.size() > 1)
    for (std::size_t i = 0; i < n; ++i)
      q.centre_[i] = static_cast<float>(sums[i] / static_cast<double>(rows.size()));
  double squares = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = std::abs(all[i] - q.centre_[i % n]);
    squares += double{all[i]} * all[i];
  }
  const auto sigma = static_cast<float>(std::sqrt(squares / static_cast<double>(all.size())));
  const auto nth = static_cast<std::ptrdiff_t>(kInRange * static_cast<double>(all.size() - 1));
  std::ranges::nth_element(all, all.begin() + nth);
  const float range = std::max(kRangeSigmas * sigma, all[static_cast<std::size_t>(nth)]);
  // Rows that are all alike: any step tells the others from them.
  q.step_ = range > 1e-30f && std::isfinite(range) ? range / kMiddle : 1.0f;
  return q;
}

Quantiser::Fit Quantiser::encode_row(std::span<const float> row,
                                     std::span<std::uint8_t> cell) const {
  if (has_extra()) {
    const double rest = double{norm_max_} * norm_max_ - squared_norm(row);
    const auto extra = static_cast<float>(std::sqrt(std::max(rest, 0.0)) / step_);
    std::memcpy(&cell[padded_], &extra, sizeof extra);
  }
  return encode(row, 1, cell);
}

Quantiser::Question Quantiser::encode_question(std::span<const float> query,
                                               std::span<std::uint8_t> cell) const {
  Question question;
  const double steps = 1 / (double{step_} * step_);
  if (!has_extra()) {
    question.scale = static_cast<float>((metric_ == Metric::cosine ? 2 : 1) * steps);
    question.fit = encode(query, 1, cell);
    return question;
  }
  // The order of inner products does not depend on the question's length.
  const double squared = squared_norm(query);
  const float scale = squared > 0 ? norm_usual_ / static_cast<float>(std::sqrt(squared)) : 1.0f;
  const double norms = squared * scale * scale + double{norm_max_} * norm_max_;
  question.base = static_cast<float>(norms * steps);
  question.scale = static_cast<float>(2 * double{scale} * steps);
  constexpr float kNoExtra = 0;
  std::memcpy(&cell[padded_], &kNoExtra, sizeof kNoExtra);
  question.fit = encode(query, scale, cell);
  return question;
}

// Each side is rounded to a step: an error of variance 1/12, so 1/6 for a component's difference.
// The sum over all is padded_/6 too large and has a deviation of 2 sqrt(D/6).
float Quantiser::code_distance_limit(float true_distance) const {
  // Few components spread over 128: their rounding errors are no longer independent.
  if (dimension_ < kDimensionForLimitMin) return std::numeric_limits<float>::infinity();
  const float distance = std::max(true_distance, 0.0f);
  const float bias = static_cast<float>(padded_) / 6;
  return distance + bias + kLimitDeviations * 2 * std::sqrt((distance + bias) / 6);
}

// A row's nibble stands for 16 steps: an error e between -8 and 7, of variance 255/12. The sum over
// all of 2 d e + e² is padded_ × 21.5 too large; e² varies by about 364.
float Quantiser::coarse_distance_limit(float code_distance) const {
  if (dimension_ < kDimensionForLimitMin) return std::numeric_limits<float>::infinity();
  constexpr float kSquare = 21.5f, kVariance = 21.25f, kSquaresVariance = 364;
  constexpr float kCoarseDeviations = 3.0f;
  const float distance = std::max(code_distance, 0.0f), n = static_cast<float>(padded_);
  return distance + n * kSquare +
         kCoarseDeviations * std::sqrt(4 * distance * kVariance + n * kSquaresVariance);
}

std::string Quantiser::encoded() const {
  std::string bytes;
  const auto append = [&](float value) {
    bytes += as_text(bytes_of(le32(std::bit_cast<std::uint32_t>(value))));
  };
  append(step_);
  append(norm_max_);
  append(norm_usual_);
  for (float value : centre_) append(value);
  return bytes;
}

Result<Quantiser> Quantiser::decode(Metric metric, std::uint32_t dimension,
                                    std::string_view bytes) {
  Quantiser q(metric, dimension);
  if (bytes.size() != (3 + std::size_t{q.padded_}) * sizeof(le32))
    return fail(EUCLEAN, "vector: a quantiser of the wrong size");
  const auto value_at = [&](std::size_t i) {
    le32 raw;
    std::memcpy(&raw, bytes.data() + i * sizeof raw, sizeof raw);
    return std::bit_cast<float>(static_cast<std::uint32_t>(raw));
  };
  q.step_ = value_at(0);
  q.norm_max_ = value_at(1);
  q.norm_usual_ = value_at(2);
  for (std::size_t i = 0; i < q.padded_; ++i) q.centre_[i] = value_at(3 + i);
  const bool finite = std::ranges::all_of(q.centre_, [](float x) { return std::isfinite(x); });
  if (!finite || !(q.step_ > 0) || !std::isfinite(q.step_) || !(q.norm_max_ > 0) ||
      !(q.norm_usual_ > 0))
    return fail(EUCLEAN, "vector: a quantiser out of range");
  return q;
}

}  // namespace vexfs
