// SPDX-License-Identifier: Apache-2.0
#include "hnsw/code_set.h"

namespace vexfs {

CodeSet::CodeSet(Quantiser quantiser)
    : quantiser_(std::move(quantiser)),
      segments_(std::make_unique<std::atomic<std::byte*>[]>(kSegmentsMax)),
      mappings_(std::make_unique<Mapping[]>(kSegmentsMax)) {}

Result<> CodeSet::reserve(Slot slot) {
  const std::uint32_t number = slot / kSegmentSlots;
  const bool grows = slot == kHugePagesFromSlot;
  if (!grows && segments_[number].load(std::memory_order_acquire) != nullptr) return {};
  Lock lock(mutex_);
  if (segments_[number].load(std::memory_order_relaxed) != nullptr) {
    if (grows) mappings_[number].use_huge_pages();
    return {};
  }
  const std::size_t bytes = std::size_t{kSegmentSlots} * quantiser_.cell_bytes();
  VEXFS_TRY(mappings_[number], Mapping::make(bytes));
  if (number > 0) mappings_[number].use_huge_pages();
  segments_[number].store(mappings_[number].data(), std::memory_order_release);
  return {};
}

std::span<std::uint8_t> CodeSet::code(Slot slot) const {
  return {reinterpret_cast<std::uint8_t*>(column().at(slot)), quantiser_.cell_bytes()};
}

Quantiser::Fit CodeSet::encode(Slot slot, std::span<const float> row) {
  const Quantiser::Fit fit = quantiser_.encode_row(row, code(slot));
  rows_.fetch_add(1, std::memory_order_relaxed);
  clipped_.fetch_add(fit.clipped, std::memory_order_relaxed);
  spread_.fetch_add(static_cast<std::uint64_t>(fit.spread), std::memory_order_relaxed);
  return fit;
}

CodeSet::Drift CodeSet::drift() const {
  const std::uint64_t rows = rows_.load(std::memory_order_relaxed);
  if (rows == 0) return {};
  const auto count = static_cast<double>(rows);
  const auto clipped = static_cast<double>(clipped_.load(std::memory_order_relaxed));
  return {.rows = rows,
          .clipped = clipped / count / quantiser_.cell_bytes(),
          .spread = static_cast<double>(spread_.load(std::memory_order_relaxed)) / count};
}

void CodeSet::start_drift(double spread_trained) {
  spread_trained_ = spread_trained;
  rows_.store(0, std::memory_order_relaxed);
  clipped_.store(0, std::memory_order_relaxed);
  spread_.store(0, std::memory_order_relaxed);
}

}  // namespace vexfs
