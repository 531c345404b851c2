// SPDX-License-Identifier: Apache-2.0
// Link: one word of a neighbour list; and the tree that keeps every node reachable.
//
//   bits 0–28   slot + 1; 0 ends the list, so zeroed memory is an empty list
//   bit 30      tree link to a child      (level 0 only)
//   bit 31      tree link to the parent   (level 0 only)
//
// Always: the tree links join all live nodes, both ways, and pruning never drops one. So a walk
// over level 0 from any live node reaches every other; the heuristic alone does not promise that.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>

#include "vector/rows.h"

namespace vexfs {

using Link = std::uint32_t;
inline constexpr Link kNoLink = 0;
inline constexpr Link kChildBit = 1u << 30;
inline constexpr Link kParentBit = 1u << 31;
inline constexpr Link kTreeBits = kChildBit | kParentBit;
static_assert(std::uint64_t{kSegmentSlots} * kSegmentsMax < kChildBit);

constexpr Link link_to(Slot slot, Link tree_bits = 0) {
  return (slot + 1) | tree_bits;
}
constexpr Slot slot_of(Link link) {
  return (link & ~kTreeBits) - 1;
}
constexpr bool is_tree_link(Link link) {
  return (link & kTreeBits) != 0;
}

// LinkList: where the neighbours of one node on one level stand. Readers take no lock: they may
// see a list halfway between two states, never a word that was not written.
// Threads: load() any; store() with the node's lock.
class LinkList {
 public:
  LinkList() = default;
  explicit LinkList(std::span<Link> words) : words_(words) {}
  std::uint32_t capacity() const { return static_cast<std::uint32_t>(words_.size()); }
  // Acquire: what is behind the link (row, own links) is read next. Pairs with store().
  Link load(std::uint32_t i) const {
    return std::atomic_ref(words_[i]).load(std::memory_order_acquire);
  }
  void store(std::uint32_t i, Link link) const {
    std::atomic_ref(words_[i]).store(link, std::memory_order_release);
  }
  std::uint32_t size() const {
    std::uint32_t n = 0;
    while (n < capacity() && load(n) != kNoLink) ++n;
    return n;
  }

 private:
  std::span<Link> words_;
};

// One thread's copy of a list (or of candidates for it).
template <class Visit>
void for_each_link(LinkList list, Visit visit) {
  for (std::uint32_t i = 0; i < list.capacity(); ++i) {
    const Link link = list.load(i);
    if (link == kNoLink) return;
    visit(link);
  }
}

}  // namespace vexfs
