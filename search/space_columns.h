// SPDX-License-Identifier: Apache-2.0
// SpaceColumns: whose each slot of a space is, and whether it still counts.
//
// A slot's inode and check are fixed when it is appended; its part (chunk or row number) and
// generation change while readers look. A row is valid while its generation is the one of its
// owner's present content, so a change of content withdraws its rows without touching them.
//
// Threads: append() by one at a time (the space's lock); all else any, of slots below a size()
// that was read before.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "storage/types.h"
#include "vector/rows.h"

namespace vexfs {

inline constexpr std::uint64_t kDead = ~std::uint64_t{0};          // no owner's record names it
inline constexpr std::uint64_t kOutlives = ~std::uint64_t{0} - 1;  // set by the user: any content

class SpaceColumns {
 public:
  SpaceColumns();
  ~SpaceColumns();
  SpaceColumns(const SpaceColumns&) = delete;
  SpaceColumns& operator=(const SpaceColumns&) = delete;

  std::uint32_t size() const { return size_.load(std::memory_order_acquire); }
  // ENOSPC past kSegmentsMax segments.
  Result<Slot> append(Ino ino, std::uint64_t check, std::uint32_t part, std::uint64_t generation);

  Ino ino(Slot slot) const { return cell(slot).ino; }
  std::uint64_t check(Slot slot) const { return cell(slot).check; }
  std::uint32_t part(Slot slot) const { return cell(slot).part.load(std::memory_order_relaxed); }
  std::uint64_t generation(Slot slot) const {
    return cell(slot).generation.load(std::memory_order_acquire);
  }
  bool dead(Slot slot) const { return generation(slot) == kDead; }
  std::size_t memory_bytes() const { return size() * sizeof(Cell); }
  // Returns the generation that it replaces.
  std::uint64_t set(Slot slot, std::uint32_t part, std::uint64_t generation);

 private:
  struct Cell {
    Ino ino{};
    std::uint64_t check = 0;
    std::atomic<std::uint64_t> generation{kDead};  // release in set() pairs with generation()
    std::atomic<std::uint32_t> part{0};
  };
  const Cell& cell(Slot slot) const {
    return segments_[slot / kSegmentSlots].load(std::memory_order_acquire)[slot % kSegmentSlots];
  }
  Cell& cell(Slot slot) {
    return segments_[slot / kSegmentSlots].load(std::memory_order_acquire)[slot % kSegmentSlots];
  }

  std::atomic<std::uint32_t> size_{0};  // release in append() pairs with acquire in size()
  std::unique_ptr<std::atomic<Cell*>[]> segments_;
};

}  // namespace vexfs
