// SPDX-License-Identifier: Apache-2.0
#include "search/space_columns.h"

#include <new>

namespace vexfs {

SpaceColumns::SpaceColumns() : segments_(new std::atomic<Cell*>[kSegmentsMax]()) {}

SpaceColumns::~SpaceColumns() {
  for (std::uint32_t i = 0; i < kSegmentsMax; ++i) delete[] segments_[i].load();
}

Result<Slot> SpaceColumns::append(Ino ino, std::uint64_t check, std::uint32_t part,
                                  std::uint64_t generation) {
  const Slot slot = size_.load(std::memory_order_relaxed);
  const std::uint32_t segment = slot / kSegmentSlots;
  if (segment >= kSegmentsMax) return fail(ENOSPC, "space: no slots left");
  if (slot % kSegmentSlots == 0) {
    Cell* cells = new (std::nothrow) Cell[kSegmentSlots];
    if (cells == nullptr) return fail(ENOMEM, "space: no memory for owners");
    segments_[segment].store(cells, std::memory_order_release);
  }
  Cell& fresh = cell(slot);
  fresh.ino = ino;
  fresh.check = check;
  fresh.part.store(part, std::memory_order_relaxed);
  fresh.generation.store(generation, std::memory_order_release);
  size_.store(slot + 1, std::memory_order_release);
  return slot;
}

std::uint64_t SpaceColumns::set(Slot slot, std::uint32_t part, std::uint64_t generation) {
  Cell& changed = cell(slot);
  changed.part.store(part, std::memory_order_relaxed);
  return changed.generation.exchange(generation, std::memory_order_acq_rel);
}

}  // namespace vexfs
