// SPDX-License-Identifier: Apache-2.0
#include "hnsw/code_set.h"

#include <algorithm>

#include "base/buffer_pool.h"
#include "vector/code_planes.h"

namespace vexfs {

CodeSet::CodeSet(Quantiser quantiser)
    : quantiser_(std::move(quantiser)),
      coarse_bytes_(quantiser_.cell_bytes() - quantiser_.code_bytes() / 2),
      fine_bytes_(quantiser_.code_bytes() / 2),
      coarse_(std::make_unique<std::atomic<std::byte*>[]>(kSegmentsMax)),
      fine_(std::make_unique<std::atomic<std::byte*>[]>(kSegmentsMax)),
      mappings_(std::make_unique<Mapped[]>(kSegmentsMax)) {}

Result<> CodeSet::reserve(Slot slot) {
  const std::uint32_t number = slot / kSegmentSlots;
  const bool grows = slot == kHugePagesFromSlot;
  // The coarse plane is published last.
  if (!grows && coarse_[number].load(std::memory_order_acquire) != nullptr) return {};
  Lock lock(mutex_);
  Mapped& mapped = mappings_[number];
  const bool is_new = coarse_[number].load(std::memory_order_relaxed) == nullptr;
  if (is_new) {
    VEXFS_TRY(mapped.coarse, Mapping::make(kSegmentSlots * coarse_bytes_));
    VEXFS_TRY(mapped.fine, Mapping::make(kSegmentSlots * fine_bytes_));
  }
  if (grows || (is_new && number > 0)) {
    mapped.coarse.use_huge_pages();
    mapped.fine.use_huge_pages();
  }
  fine_[number].store(mapped.fine.data(), std::memory_order_release);
  coarse_[number].store(mapped.coarse.data(), std::memory_order_release);
  return {};
}

Quantiser::Fit CodeSet::encode(Slot slot, std::span<const float> row) {
  const Buffer buffer = Buffer::take(quantiser_.cell_bytes());
  const std::span cell(reinterpret_cast<std::uint8_t*>(buffer.data()), quantiser_.cell_bytes());
  const Quantiser::Fit fit = quantiser_.encode_row(row, cell);
  auto* const coarse_half = reinterpret_cast<std::uint8_t*>(coarse().at(slot));
  split_code(cell.first(quantiser_.code_bytes()), coarse_half,
             reinterpret_cast<std::uint8_t*>(fine().at(slot)));
  const std::span extra = cell.subspan(quantiser_.code_bytes());
  std::ranges::copy(extra, coarse_half + fine_bytes_);
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
