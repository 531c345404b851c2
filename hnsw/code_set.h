// SPDX-License-Identifier: Apache-2.0
// CodeSet: one quantiser and the codes that it made of the rows, found by slot.
//
// A graph has one at a time; training again makes a new one, and searches that still use the old
// one keep it. Threads: reserve() and encode() any, each slot by one; the rest any.
#pragma once
#include <atomic>
#include <memory>
#include <span>

#include "base/mutex.h"
#include "base/result.h"
#include "vector/column.h"
#include "vector/mapping.h"
#include "vector/quantiser.h"

namespace vexfs {

class CodeSet {
 public:
  explicit CodeSet(Quantiser quantiser);
  CodeSet(const CodeSet&) = delete;
  CodeSet& operator=(const CodeSet&) = delete;

  const Quantiser& quantiser() const { return quantiser_; }
  Result<> reserve(Slot slot);  // ENOMEM
  // The slot is reserved.
  Quantiser::Fit encode(Slot slot, std::span<const float> row);
  // The two planes of the codes (vector/code_planes.h); for ip a line follows each coarse half.
  Column coarse() const { return {.segments = coarse_.get(), .first = 0, .stride = coarse_bytes_}; }
  Column fine() const { return {.segments = fine_.get(), .first = 0, .stride = fine_bytes_}; }
  std::size_t bytes_a_slot() const { return coarse_bytes_ + fine_bytes_; }

  // How the rows that come fit, beside those that it was trained on.
  struct Drift {
    std::uint64_t rows = 0;
    double clipped = 0;  // part of all components
    double spread = 0;   // mean
  };
  Drift drift() const;
  void start_drift(double spread_trained);
  double spread_trained() const { return spread_trained_; }

 private:
  struct Mapped {
    Mapping coarse, fine;
  };

  const Quantiser quantiser_;
  const std::size_t coarse_bytes_, fine_bytes_;  // of a slot
  std::unique_ptr<std::atomic<std::byte*>[]> coarse_, fine_;
  Mutex mutex_;
  std::unique_ptr<Mapped[]> mappings_ GUARDED_BY(mutex_);
  double spread_trained_ = 0;
  // Statistics only: relaxed.
  std::atomic<std::uint64_t> rows_{0}, clipped_{0}, spread_{0};
};

}  // namespace vexfs
