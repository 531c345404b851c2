// SPDX-License-Identifier: Apache-2.0
#include "search/basis_training.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/hash.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr int kSweeps =
    2;  // Cranfield, vector alone: .558 after two, .559 after three, .556 after five

// A dense matrix of floats by rows, on the heap.
class Matrix {
 public:
  Matrix(std::size_t rows, std::size_t columns) : columns_(columns), values_(rows * columns) {}
  std::span<float> row(std::size_t i) { return std::span(values_).subspan(i * columns_, columns_); }
  std::size_t rows() const { return columns_ == 0 ? 0 : values_.size() / columns_; }
  std::size_t columns() const { return columns_; }

  Matrix transposed() {
    Matrix turned(columns_, rows());
    for (std::size_t i = 0; i < rows(); ++i)
      for (std::size_t j = 0; j < columns_; ++j)
        turned.values_[j * rows() + i] = values_[i * columns_ + j];
    return turned;
  }

 private:
  std::size_t columns_;
  std::vector<float> values_;
};

float dot(std::span<const float> a, std::span<const float> b) {
  return -distance(Metric::ip, a, b);
}
void add_scaled(std::span<float> to, float factor, std::span<const float> from) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * from[i];
}

// Gram-Schmidt, each row twice, which is as good as exact in float32. Any orthonormal basis of
// the same space gives the same cosines, so nothing dearer is needed. A row that depends on those
// before it becomes zero.
void orthonormalise_rows(Matrix& matrix, FunctionRef<bool()> stop) {
  constexpr float kDependent = 1e-4F;
  for (std::size_t i = 0; i < matrix.rows() && !stop(); ++i) {
    const std::span<float> row = matrix.row(i);
    const float before = std::sqrt(dot(row, row));
    for (int pass = 0; pass < 2; ++pass)
      for (std::size_t j = 0; j < i; ++j) add_scaled(row, -dot(row, matrix.row(j)), matrix.row(j));
    if (std::sqrt(dot(row, row)) <= kDependent * before || !normalise(row))
      std::ranges::fill(row, 0.0F);
  }
}

struct Weighted {
  std::uint32_t term = 0;  // row of the basis
  float weight = 0;
};

class Trainer {
 public:
  Trainer(const TextIndex& text, FunctionRef<bool()> stop) : text_(text), stop_(stop) {}

  Result<Basis> run() {
    choose_slots();
    if (slots_.size() < kTrainingChunksMin) return fail(EAGAIN, "basis: too little text yet");
    choose_terms();
    const auto documents = static_cast<std::uint32_t>(slots_.size());
    Matrix basis(terms_.size(), std::min<std::size_t>(basis_dimension(documents), terms_.size()));
    scatter(basis);
    for (int sweep = 0; sweep < kSweeps; ++sweep) basis = swept(basis);
    if (stop_()) return fail(ECANCELED, "basis: the training was ended");
    return quantised(basis);
  }

 private:
  // All that are present, or a sample that is the same for the same slots.
  void choose_slots() {
    const std::uint32_t all = text_.documents();
    const double share = std::min(1.0, static_cast<double>(kTrainingChunksMax) / std::max(1u, all));
    std::vector<TextIndex::Stem> stems;
    for (Slot slot = 0; slot < text_.slots_end(); ++slot) {
      const double drawn = static_cast<double>(hash64(bytes_of(slot)) >> 11) * 0x1p-53;
      if (drawn < share && text_.stems(slot, stems) && !stems.empty()) slots_.push_back(slot);
    }
  }

  // The most frequent ones, counted in what is trained on.
  void choose_terms() {
    std::unordered_map<TermId, std::uint32_t> holding;
    std::vector<TextIndex::Stem> stems;
    for (const Slot slot : slots_) {
      if (!text_.stems(slot, stems)) continue;
      for (const TextIndex::Stem& stem : stems) ++holding[stem.id];
    }
    for (const auto& [id, documents] : holding)
      terms_.push_back({.id = id, .documents = documents, .scale = 0});
    std::ranges::sort(terms_, [](const Basis::TermRow& a, const Basis::TermRow& b) {
      return a.documents != b.documents ? a.documents > b.documents : a.id < b.id;
    });
    terms_.resize(std::min<std::size_t>(terms_.size(), kBasisTermsMax));
    std::ranges::sort(terms_, {}, &Basis::TermRow::id);
    for (std::uint32_t i = 0; i < terms_.size(); ++i) rows_.emplace(terms_[i].id, i);
  }

  // Random signs from the terms' hashes: the start of the iteration.
  void scatter(Matrix& basis) const {
    for (std::size_t i = 0; i < terms_.size(); ++i) {
      const std::span<float> row = basis.row(i);
      for (std::size_t j = 0; j < row.size(); ++j) {
        const std::uint64_t bits = hash64(bytes_of(terms_[i].id), 1 + j / 64);
        row[j] = bits >> (j % 64) & 1 ? 1.0F : -1.0F;
      }
    }
  }

  // One chunk's weights; returns their length before they were scaled to 1.
  float weights_of(Slot slot, std::vector<Weighted>& weights) const {
    weights.clear();
    std::vector<TextIndex::Stem> stems;
    if (!text_.stems(slot, stems)) return 0;  // erased meanwhile
    const auto documents = static_cast<std::uint32_t>(slots_.size());
    double squared = 0;
    for (const TextIndex::Stem& stem : stems) {
      const auto found = rows_.find(stem.id);
      const std::uint32_t holding = found == rows_.end() ? 0 : terms_[found->second].documents;
      const float weight =
          (1 + std::log(static_cast<float>(stem.count))) * inverse_frequency(documents, holding);
      squared += double{weight} * double{weight};
      if (found != rows_.end()) weights.push_back({.term = found->second, .weight = weight});
    }
    const auto length = static_cast<float>(std::sqrt(squared));
    for (Weighted& one : weights) one.weight /= length;
    return length;
  }

  // Y = sum of x (x'V) over the chunks, orthonormalised.
  Matrix swept(Matrix& basis) {
    Matrix sum(terms_.size(), basis.columns());
    std::vector<float> projected(basis.columns());
    std::vector<Weighted> weights;
    lengths_.clear();
    for (const Slot slot : slots_) {
      if (stop_()) break;
      const float length = weights_of(slot, weights);
      if (length == 0) continue;
      lengths_.push_back(length);
      std::ranges::fill(projected, 0.0F);
      for (const Weighted& one : weights) add_scaled(projected, one.weight, basis.row(one.term));
      for (const Weighted& one : weights) add_scaled(sum.row(one.term), one.weight, projected);
    }
    // At most two of them at once: each is 128 MiB where terms and dimensions are at their most.
    basis = Matrix(0, 0);
    Matrix turned = sum.transposed();
    sum = Matrix(0, 0);
    orthonormalise_rows(turned, stop_);
    return turned.transposed();
  }

  Basis quantised(Matrix& basis) {
    Basis::Parts parts{.documents = static_cast<std::uint32_t>(slots_.size()),
                       .dimension = static_cast<std::uint32_t>(basis.columns()),
                       .weight_median = 1,
                       .terms = std::move(terms_),
                       .values = {}};
    if (!lengths_.empty()) {
      const auto middle = lengths_.begin() + static_cast<std::ptrdiff_t>(lengths_.size() / 2);
      std::ranges::nth_element(lengths_, middle);
      parts.weight_median = *middle;
    }
    parts.values.reserve(parts.terms.size() * basis.columns());
    for (std::size_t i = 0; i < parts.terms.size(); ++i) {
      const std::span<const float> row = basis.row(i);
      float largest = 0;
      for (const float value : row) largest = std::max(largest, std::abs(value));
      parts.terms[i].scale = largest / 127;
      for (const float value : row)
        parts.values.push_back(
            static_cast<std::int8_t>(largest > 0 ? std::lround(value / parts.terms[i].scale) : 0));
    }
    return Basis(std::move(parts));
  }

  const TextIndex& text_;
  const FunctionRef<bool()> stop_;
  std::vector<Slot> slots_;
  std::vector<Basis::TermRow> terms_;  // ascending by id
  std::unordered_map<TermId, std::uint32_t> rows_;
  std::vector<float> lengths_;  // of the chunks' weights
};

}  // namespace

std::uint32_t basis_dimension(std::uint32_t documents) {
  const std::uint32_t wanted =
      std::max({std::min(documents, 75u), std::min(documents / 2, 150u), documents / 6});
  return std::min(wanted, kBasisDimensionMax);
}

Result<Basis> train_basis(const TextIndex& text, FunctionRef<bool()> stop) {
  return Trainer(text, stop).run();
}

}  // namespace vexfs
