// SPDX-License-Identifier: Apache-2.0
// Quantiser: a float32 vector as one byte a component, for the first look of a search.
//
// A vector is rotated by a fixed pseudo-random rotation (so that all components vary alike, which
// real text embeddings do not), centred per component, and cut into 256 steps of one size. The
// distance of codes times step² is then the squared distance of the vectors, with an error whose
// size is known. All three metrics become that one distance:
//
//   l2       as it is
//   cosine   |a - b|² = 2 (1 - cos) for unit vectors
//   ip       each row gets one component more, sqrt(R² - |x|²) with R the largest norm, each
//            question a 0; then |q - x|² = |q|² + R² - 2 q·x (Bachrach et al. 2014). That
//            component is kept apart as a float, for it can be far larger than the others
//
// A quantiser is trained on rows and fits rows like them; clipped() says how well a vector fits.
// Codes are equal on every CPU. Threads: immutable, any.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "vector/metric.h"

namespace vexfs {

class Quantiser {
 public:
  // At least one row of `dimension` floats. The same rows give the same quantiser. `longest`:
  // at least the norm of every row that will be encoded, where `rows` is only a sample of them;
  // it matters for ip alone.
  static Quantiser train(Metric metric, std::uint32_t dimension, std::span<const float* const> rows,
                         float longest = 0);

  std::uint32_t code_bytes() const { return padded_; }  // a multiple of 128
  // A code and, for ip, the line with its component more.
  std::uint32_t cell_bytes() const { return padded_ + (has_extra() ? kExtraBytes : 0); }
  bool has_extra() const { return metric_ == Metric::ip; }
  // Under ip no longer row may be encoded.
  bool takes(std::span<const float> row) const;

  // How a vector fits what the quantiser was trained on.
  struct Fit {
    std::uint32_t clipped = 0;  // components at either end of the range
    double spread = 0;          // mean square of (code - 127.5); about kSpreadTrained
  };
  // The range is 3.5 sigma on either side of 127.5.
  static constexpr double kSpreadTrained = (127.5 / 3.5) * (127.5 / 3.5);
  // `cell` has cell_bytes(), 64-byte aligned.
  Fit encode_row(std::span<const float> row, std::span<std::uint8_t> cell) const;

  // distance of codes = base + scale × Metric's distance, but for the rounding of both sides.
  struct Question {
    Fit fit;
    float base = 0, scale = 1;
  };
  Question encode_question(std::span<const float> query, std::span<std::uint8_t> cell) const;

  // The least code distance, but for about one in fifty, that the codes of vectors can have
  // whose true distance (in squared steps) is such that this one is still better:
  // a candidate with a larger code distance than this need not be looked at.
  float code_distance_limit(float true_distance) const;
  // The same for the coarse plane of codes: of rows whose distance by both planes is this.
  float coarse_distance_limit(float code_distance) const;

  // All there is to it, for a saved graph; decode() refuses what does not fit.
  std::string encoded() const;
  static Result<Quantiser> decode(Metric metric, std::uint32_t dimension, std::string_view bytes);

 private:
  Quantiser(Metric metric, std::uint32_t dimension);
  void make_rotation();
  // scale × x into `rotated` (padded_ floats).
  void rotate(std::span<const float> x, float scale, std::span<float> rotated) const;
  Fit encode(std::span<const float> x, float scale, std::span<std::uint8_t> cell) const;

  static constexpr std::uint32_t kExtraBytes = 64;
  Metric metric_;
  std::uint32_t dimension_, padded_;
  float step_ = 1;
  float norm_max_ = 1;               // R of ip
  float norm_usual_ = 1;             // what questions of ip are scaled to
  std::vector<float> centre_;        // padded_
  std::vector<std::int32_t> order_;  // 3 rounds × padded_: where each component comes from
  std::vector<float> signs_;         // 3 rounds × padded_: ± 1/sqrt(8)
};

}  // namespace vexfs
