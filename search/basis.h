// SPDX-License-Identifier: Apache-2.0
// Basis: what a volume's texts have in common, as an orthonormal basis of term space. Texts whose
// words occur together elsewhere come close on it (latent semantic analysis: Deerwester et al.,
// 1990), also when they share none.
//
// Always: a basis never changes; it carries the statistics that it was trained with, so a vector
// means the same however the volume grows. Threads: any.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "search/terms.h"

namespace vexfs {

inline constexpr std::uint32_t kBasisDimensionMax = 512;
inline constexpr std::uint32_t kBasisTermsMax = 65536;

class Basis {
 public:
  struct TermRow {
    TermId id = 0;
    std::uint32_t documents = 0;  // that held it at training
    float scale = 0;              // of its row of `values`
  };
  struct Parts {
    std::uint32_t documents = 0;  // trained on
    std::uint32_t dimension = 0;
    float weight_median = 1;               // of the documents' weights, see project()
    std::vector<TermRow> terms = {};       // ascending by id
    std::vector<std::int8_t> values = {};  // a row of `dimension` for each
  };
  explicit Basis(Parts parts) : parts_(std::move(parts)) {}

  // Bytes of format kBasisMagic; load() answers EUCLEAN for what save() did not write.
  std::string save() const;
  static Result<Basis> load(Bytes saved);

  std::uint32_t dimension() const { return parts_.dimension; }
  std::uint32_t documents() const { return parts_.documents; }
  float weight_median() const { return parts_.weight_median; }

  // log(1 + (N - df + .5) / (df + .5)) with the statistics of the training; most for new terms.
  float inverse_frequency(TermId id) const;
  // Adds nothing up but the text: into = V'w for its weights w, w_t = (1 + ln tf) idf_t.
  // Returns |w|, which counts terms that the basis does not know too.
  float project(const TermBag& terms, std::span<float> into) const;

 private:
  const TermRow* find(TermId id) const;
  Parts parts_;
};

}  // namespace vexfs
