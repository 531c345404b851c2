// SPDX-License-Identifier: Apache-2.0
// Rows: a column of float32 vectors in segments of 64 K slots. Slots are immutable once written
// and never move, so readers need no lock.
//
// Threads: append() by one at a time (the caller's lock); readers any, of slots below a size()
// that they read before.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "base/result.h"

namespace vexfs {

using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = 0xffffffffu;
inline constexpr std::uint32_t kSegmentSlots = 64 * 1024;
inline constexpr std::uint32_t kSegmentsMax = 4096;  // 268 M rows a space

class Mapping;

class Rows {
 public:
  explicit Rows(std::uint32_t dimension);
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  std::uint32_t dimension() const { return dimension_; }
  std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  std::size_t memory_bytes() const { return std::size_t{size()} * stride_ * sizeof(float); }
  // Copies one row in; ENOSPC past kSegmentsMax segments, ENOMEM.
  Result<Slot> append(std::span<const float> row);
  // 64-byte aligned, `dimension` floats.
  const float* row(Slot slot) const;

 private:
  float* address(Slot slot) const;
  const std::uint32_t dimension_;
  const std::uint32_t stride_;          // floats from row to row: dimension rounded up to 16
  std::atomic<std::uint32_t> size_{0};  // release in append() pairs with acquire in size()
  // kSegmentsMax of them; a reader sees one because it saw a size() beyond its first slot.
  std::unique_ptr<Mapping[]> mappings_;
};

}  // namespace vexfs
