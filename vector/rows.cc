// SPDX-License-Identifier: Apache-2.0
#include "vector/rows.h"

#include <cstring>

#include "base/assert.h"
#include "vector/mapping.h"
#include "vector/metric.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kFloatsALine = 16;

constexpr std::uint32_t stride_of(std::uint32_t dimension) {
  return (dimension + kFloatsALine - 1) / kFloatsALine * kFloatsALine;
}

}  // namespace

Rows::Rows(std::uint32_t dimension)
    : dimension_(dimension),
      stride_(stride_of(dimension)),
      mappings_(std::make_unique<Mapping[]>(kSegmentsMax)) {
  VEXFS_ASSERT(dimension >= 1 && dimension <= kDimensionMax);
}

Rows::~Rows() = default;

Result<Slot> Rows::append(std::span<const float> row) {
  VEXFS_ASSERT(row.size() == dimension_);
  const Slot slot = size_.load(std::memory_order_relaxed);
  const std::uint32_t segment = slot / kSegmentSlots;
  if (segment == kSegmentsMax) return fail(ENOSPC, "vector: a space is full");
  Mapping& mapping = mappings_[segment];
  if (mapping.data() == nullptr) {
    const std::size_t bytes = std::size_t{kSegmentSlots} * stride_ * sizeof(float);
    VEXFS_TRY(mapping, Mapping::make(bytes));
    if (segment > 0) mapping.use_huge_pages();
  }
  if (slot == kHugePagesFromSlot) mapping.use_huge_pages();
  std::memcpy(address(slot), row.data(), row.size_bytes());
  size_.store(slot + 1, std::memory_order_release);
  return slot;
}

const float* Rows::row(Slot slot) const {
  return address(slot);
}

float* Rows::address(Slot slot) const {
  auto* const base = reinterpret_cast<float*>(mappings_[slot / kSegmentSlots].data());
  return base + std::size_t{slot % kSegmentSlots} * stride_;
}

}  // namespace vexfs
