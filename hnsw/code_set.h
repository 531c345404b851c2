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
  std::span<std::uint8_t> code(Slot slot) const;
  Column column() const {
    return {.segments = segments_.get(), .first = 0, .stride = quantiser_.cell_bytes()};
  }

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
  const Quantiser quantiser_;
  std::unique_ptr<std::atomic<std::byte*>[]> segments_;
  Mutex mutex_;
  std::unique_ptr<Mapping[]> mappings_ GUARDED_BY(mutex_);
  double spread_trained_ = 0;
  // Statistics only: relaxed.
  std::atomic<std::uint64_t> rows_{0}, clipped_{0}, spread_{0};
};

}  // namespace vexfs
