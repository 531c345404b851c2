// SPDX-License-Identifier: Apache-2.0
#include "hnsw/node_table.h"

#include <new>
#include <thread>

#include "base/assert.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kWordsALine = 16;
constexpr unsigned kSpinsBeforeYield = 64;

}  // namespace

NodeTable::NodeTable(std::uint32_t m)
    : m_(m),
      stride0_((2 * m + kWordsALine - 1) / kWordsALine * kWordsALine),
      columns_([this] {
        Columns c;
        c.upper = std::uint64_t{kSegmentSlots} * stride0_ * sizeof(Link);
        c.state = c.upper + std::uint64_t{kSegmentSlots} * sizeof(Link*);
        c.level = c.state + kSegmentSlots;
        c.lock = c.level + kSegmentSlots;
        c.bytes = c.lock + kSegmentSlots;
        return c;
      }()),
      segments_(std::make_unique<std::atomic<std::byte*>[]>(kSegmentsMax)),
      mappings_(std::make_unique<Mapping[]>(kSegmentsMax)) {
  VEXFS_ASSERT(m >= 2);
}

NodeTable::~NodeTable() {
  for (Slot slot = 0; slot < slots_end_.load(std::memory_order_relaxed); ++slot)
    if (state(slot) != NodeState::absent) delete[] *cell<Link*>(slot, columns_.upper);
}

Result<> NodeTable::make_segment(Slot slot) {
  const std::uint32_t number = slot / kSegmentSlots;
  Lock lock(mutex_);
  if (segments_[number].load(std::memory_order_relaxed) != nullptr) {
    if (slot == kHugePagesFromSlot) mappings_[number].use_huge_pages();
    return {};
  }
  VEXFS_TRY(mappings_[number], Mapping::make(columns_.bytes));
  if (number > 0) mappings_[number].use_huge_pages();
  segments_[number].store(mappings_[number].data(), std::memory_order_release);
  return {};
}

Result<> NodeTable::add(Slot slot, unsigned level) {
  VEXFS_ASSERT(slot / kSegmentSlots < kSegmentsMax);
  if (segment(slot) == nullptr || slot == kHugePagesFromSlot) VEXFS_CHECK(make_segment(slot));
  if (state(slot) != NodeState::absent) return fail(EEXIST, "hnsw: the slot is in the graph");
  if (level > 0) {
    Link* const lists = new (std::nothrow) Link[std::size_t{level} * m_]();
    if (lists == nullptr) return fail(ENOMEM, "hnsw: no memory for a node");
    *cell<Link*>(slot, columns_.upper) = lists;
  }
  *cell<std::uint8_t>(slot, columns_.level) = static_cast<std::uint8_t>(level);
  set_state(slot, NodeState::joining);
  std::uint32_t end = slots_end_.load(std::memory_order_relaxed);
  while (end <= slot && !slots_end_.compare_exchange_weak(end, slot + 1, std::memory_order_release))
    continue;
  return {};
}

void NodeTable::clear() {
  for (Slot slot = 0; slot < slots_end_.load(std::memory_order_relaxed); ++slot) {
    if (state(slot) == NodeState::absent) continue;
    for (std::uint32_t i = 0; i < links_max(0); ++i) links(slot, 0).store(i, kNoLink);
    set_state(slot, NodeState::absent);
    delete[] std::exchange(*cell<Link*>(slot, columns_.upper), nullptr);
  }
  slots_end_.store(0, std::memory_order_relaxed);
}

NodeState NodeTable::state(Slot slot) const {
  if (slot / kSegmentSlots >= kSegmentsMax || segment(slot) == nullptr) return NodeState::absent;
  return static_cast<NodeState>(
      std::atomic_ref(*cell<std::uint8_t>(slot, columns_.state)).load(std::memory_order_acquire));
}

void NodeTable::set_state(Slot slot, NodeState state) {
  std::atomic_ref(*cell<std::uint8_t>(slot, columns_.state))
      .store(static_cast<std::uint8_t>(state), std::memory_order_release);
}

unsigned NodeTable::level(Slot slot) const {
  return *cell<std::uint8_t>(slot, columns_.level);
}

LinkList NodeTable::links(Slot slot, unsigned level) const {
  if (level == 0) {
    auto* const base = reinterpret_cast<Link*>(segment(slot) + columns_.links0);
    return LinkList({base + std::size_t{slot % kSegmentSlots} * stride0_, 2 * m_});
  }
  return LinkList({*cell<Link*>(slot, columns_.upper) + std::size_t{level - 1} * m_, m_});
}

NodeLock::NodeLock(NodeTable& nodes, Slot slot)
    : lock_(*nodes.cell<std::uint8_t>(slot, nodes.columns_.lock)) {
  for (unsigned spins = 0; lock_.exchange(1, std::memory_order_acquire) != 0;)
    while (lock_.load(std::memory_order_relaxed) != 0)
      if (++spins % kSpinsBeforeYield == 0) std::this_thread::yield();
}

NodeLock::~NodeLock() {
  lock_.store(0, std::memory_order_release);
}

}  // namespace vexfs
