// SPDX-License-Identifier: Apache-2.0
// NodeTable: the memory of a graph's nodes, found by slot.
//
//   state     found by a walk   takes links   answered
//   absent    no                no            no
//   joining   yes               no            no          its insert() runs
//   live      yes               yes           yes
//   dead      yes               no            no          erased; walked through
//
// Lists of level 0 stand in segments of 64 K slots that never move; upper levels, which one node
// in m has, are allocated apart. Threads: add() any, once a slot; the rest any.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/mutex.h"
#include "base/result.h"
#include "vector/column.h"
#include "vector/link.h"
#include "vector/mapping.h"

namespace vexfs {

enum class NodeState : std::uint8_t { absent, joining, live, dead };

class NodeTable {
 public:
  explicit NodeTable(std::uint32_t m);
  ~NodeTable();
  NodeTable(const NodeTable&) = delete;
  NodeTable& operator=(const NodeTable&) = delete;

  // Memory for a node of this level; its state is joining. EEXIST, ENOMEM.
  Result<> add(Slot slot, unsigned level);
  // Forgets every node; nobody else may use the table meanwhile.
  void clear();

  // Any slot may be asked for its state; the others need a node that is not absent.
  NodeState state(Slot slot) const;
  void set_state(Slot slot, NodeState state);
  bool is_live(Slot slot) const { return state(slot) == NodeState::live; }
  unsigned level(Slot slot) const;
  LinkList links(Slot slot, unsigned level) const;
  // The lists as the kernels of vector/ read them.
  Column lists0() const {
    return {
        .segments = segments_.get(), .first = columns_.links0, .stride = stride0_ * sizeof(Link)};
  }
  Column upper_lists() const {
    return {.segments = segments_.get(), .first = columns_.upper, .stride = sizeof(Link*)};
  }
  // All slots of nodes are below; what a visited set must hold.
  std::uint32_t slots_end() const { return slots_end_.load(std::memory_order_acquire); }

  // What the nodes up to slots_end() take, upper levels (one list in m) not counted.
  std::size_t memory_bytes() const { return slots_end() * (columns_.bytes / kSegmentSlots); }

  std::uint32_t m() const { return m_; }
  std::uint32_t links_max(unsigned level) const { return level == 0 ? 2 * m_ : m_; }

 private:
  friend class NodeLock;
  // The columns of one segment, at fixed places of one mapping.
  struct Columns {
    std::uint64_t links0 = 0, upper = 0, state = 0, level = 0, lock = 0, bytes = 0;
  };
  std::byte* segment(Slot slot) const {
    return segments_[slot / kSegmentSlots].load(std::memory_order_acquire);
  }
  template <class T>
  T* cell(Slot slot, std::uint64_t column) const {
    return reinterpret_cast<T*>(segment(slot) + column) + slot % kSegmentSlots;
  }
  Result<> make_segment(Slot slot);  // or huge pages for it

  const std::uint32_t m_;
  const std::uint32_t stride0_;  // words from list to list on level 0, whole cache lines
  const Columns columns_;
  std::unique_ptr<std::atomic<std::byte*>[]> segments_;  // release in make_segment()
  std::atomic<std::uint32_t> slots_end_{0};              // release in add()
  Mutex mutex_;
  std::unique_ptr<Mapping[]> mappings_ GUARDED_BY(mutex_);
};

// NodeLock: a one-byte spin lock of a node's lists. A thread holds at most one.
class NodeLock {
 public:
  NodeLock(NodeTable& nodes, Slot slot);
  ~NodeLock();
  NodeLock(const NodeLock&) = delete;
  NodeLock& operator=(const NodeLock&) = delete;

 private:
  std::atomic_ref<std::uint8_t> lock_;
};

}  // namespace vexfs
