// SPDX-License-Identifier: Apache-2.0
// Two passes a hop: gather the neighbours that were not seen without a branch, ask for all their
// lines at once, then four distances at a time. So a hop waits for memory once.
#define HWY_WANT_AVX3_DL 1  // else Highway 1.0.3 leaves the target with VNNI out
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector/beam_search.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h, which defines what they need.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "vector/beam_search.h"
#include "vector/code_distance-inl.h"
#include "vector/code_planes.h"

HWY_BEFORE_NAMESPACE();
#if HWY_TARGET <= HWY_AVX3_DL
#pragma GCC push_options
#pragma GCC target("avx512vnni")
#endif
namespace vexfs {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLineBytes = 64;
// Of the planes that a walk reads; see beam_by().
constexpr std::size_t kComponentsAheadMax = 256;

HWY_INLINE const std::uint8_t* cell_at(const Column& column, Slot slot) {
  return reinterpret_cast<const std::uint8_t*>(column.at(slot));
}

HWY_INLINE const Link* list_at(const CodedGraph& graph, Slot slot, unsigned level) {
  if (level == 0) return reinterpret_cast<const Link*>(graph.lists.at(slot));
  const Link* upper = *reinterpret_cast<Link* const*>(graph.upper_lists.at(slot));
  return upper + std::size_t{level - 1} * graph.upper_links_max;
}

// Acquire, as LinkList::load(): the neighbour's code is read next.
HWY_INLINE Link load_link(const Link* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

HWY_INLINE void prefetch(const void* from, std::size_t bytes) {
  const auto* at = static_cast<const std::uint8_t*>(from);
  for (std::size_t i = 0; i < bytes; i += kLineBytes) hwy::Prefetch(at + i);
}

HWY_INLINE std::uint32_t extra_distance(const CodedGraph& graph, const std::uint8_t* code,
                                        const std::uint8_t* coarse) {
  constexpr float kMost = 2e9f;  // leaves room for the code's part
  float x, y;
  std::memcpy(&x, code + graph.components, sizeof x);
  std::memcpy(&y, coarse + graph.components / 2, sizeof y);
  return static_cast<std::uint32_t>(HWY_MIN((x - y) * (x - y), kMost));
}

// What a batch of rows is known by: their planes, in the arrays of a scratch.
struct Batch {
  const std::uint8_t** coarse;
  const std::uint8_t** fine;
  explicit HWY_INLINE Batch(BeamScratch::Hop& hop)
      : coarse(hop.coarse.data()), fine(hop.fine.data()) {}

  // Asks for all lines of the row at once.
  template <bool kFine>
  HWY_INLINE void set(const CodedGraph& graph, std::size_t i, Slot slot) const {
    coarse[i] = cell_at(graph.coarse, slot);
    prefetch(coarse[i], graph.components / 2 + graph.has_extra);
    if constexpr (kFine) {
      fine[i] = cell_at(graph.fine, slot);
      prefetch(fine[i], graph.components / 2);
    } else {
      fine[i] = coarse[i];  // never read
    }
  }
};

template <bool kFine>
HWY_INLINE std::uint32_t one_distance(const CodedGraph& graph, const std::uint8_t* code,
                                      const std::uint8_t* coarse, const std::uint8_t* fine) {
  const std::uint32_t distance = row_distance<kFine>(code, coarse, fine, graph.components);
  return graph.has_extra ? distance + extra_distance(graph, code, coarse) : distance;
}

template <bool kFine>
HWY_INLINE std::uint32_t slot_distance(const CodedGraph& graph, const std::uint8_t* code,
                                       Slot slot) {
  const std::uint8_t* const coarse = cell_at(graph.coarse, slot);
  return one_distance<kFine>(graph, code, coarse, kFine ? cell_at(graph.fine, slot) : coarse);
}

template <bool kFine>
HWY_INLINE void four_distances(const CodedGraph& graph, const std::uint8_t* code,
                               const Batch& batch, std::size_t i, std::uint32_t* out) {
  four_row_distances<kFine>(code, batch.coarse + i, batch.fine + i, graph.components, out);
  if (!graph.has_extra) return;
  for (std::size_t j = 0; j < 4; ++j) out[j] += extra_distance(graph, code, batch.coarse[i + j]);
}

template <bool kFine>
HWY_INLINE void measure_batch(const CodedGraph& graph, const std::uint8_t* code, const Batch& batch,
                              std::size_t count, std::uint32_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) four_distances<kFine>(graph, code, batch, i, out + i);
  for (; i < count; ++i) out[i] = one_distance<kFine>(graph, code, batch.coarse[i], batch.fine[i]);
}

template <bool kFine>
HWY_INLINE void measure_all(const CodedGraph& graph, const std::uint8_t* code,
                            std::span<CodeNeighbour> neighbours, BeamScratch& scratch) {
  const Batch batch(scratch.hop[0]);
  std::uint32_t* const out = scratch.hop[0].out.data();
  for (std::size_t begin = 0; begin < neighbours.size(); begin += kLinksMax) {
    const std::size_t count = HWY_MIN(neighbours.size() - begin, std::size_t{kLinksMax});
    for (std::size_t i = 0; i < count; ++i)
      batch.set<kFine>(graph, i, neighbours[begin + i].slot());
    measure_batch<kFine>(graph, code, batch, count, out);
    for (std::size_t i = 0; i < count; ++i) neighbours[begin + i].distance = out[i];
  }
}

void Measure(const CodedGraph& graph, const std::uint8_t* code, std::span<CodeNeighbour> neighbours,
             BeamScratch& scratch) {
  graph.has_fine ? measure_all<true>(graph, code, neighbours, scratch)
                 : measure_all<false>(graph, code, neighbours, scratch);
}

std::uint32_t RowDistance(const std::uint8_t* code, const std::uint8_t* coarse,
                          const std::uint8_t* fine, std::size_t components) {
  return row_distance<true>(code, coarse, fine, components);
}

std::uint32_t CoarseDistance(const std::uint8_t* code, const std::uint8_t* coarse,
                             std::size_t components) {
  return row_distance<false>(code, coarse, coarse, components);
}

template <bool kFine>
HWY_INLINE Slot descend_by(const CodedGraph& graph, const std::uint8_t* code, Slot from,
                           unsigned top, unsigned bottom, BeamScratch& scratch) {
  const Batch batch(scratch.hop[0]);
  Slot* const slots = scratch.hop[0].slots.data();
  std::uint32_t* const out = scratch.hop[0].out.data();
  Slot nearest = from;
  std::uint32_t distance = slot_distance<kFine>(graph, code, from);
  for (unsigned level = top; level >= bottom; --level) {
    for (bool moved = true; moved;) {
      moved = false;
      const Link* list = list_at(graph, nearest, level);
      std::size_t count = 0;
      for (std::uint32_t i = 0; i < graph.upper_links_max; ++i) {
        const Link link = load_link(list + i);
        if (link == kNoLink) break;
        const Slot slot = slot_of(link);
        if (slot >= graph.slots_end) continue;  // joined after this search began
        slots[count] = slot;
        batch.set<kFine>(graph, count++, slot);
      }
      measure_batch<kFine>(graph, code, batch, count, out);
      scratch.distances += count;
      ++scratch.hops;
      for (std::size_t i = 0; i < count; ++i)
        if (out[i] < distance) distance = out[i], nearest = slots[i], moved = true;
    }
  }
  return nearest;
}

Slot Descend(const CodedGraph& graph, const std::uint8_t* code, Slot from, unsigned top,
             unsigned bottom, BeamScratch& scratch) {
  return graph.walks_fine ? descend_by<true>(graph, code, from, top, bottom, scratch)
                          : descend_by<false>(graph, code, from, top, bottom, scratch);
}

// The sorted pool of a beam, filled up with entries that are behind all others. An entry's lowest
// bit says that its links were followed. Where an entry goes is as good as random, so its place
// is counted and the others are moved without a branch that depends on it.
struct Pool {
  std::int64_t* entries;  // room for capacity and a vector more
  std::uint32_t size, capacity;

  static constexpr std::int64_t kBehind = std::numeric_limits<std::int64_t>::max();
  static constexpr std::uint32_t kCounted = 64;  // entries that are counted, not halved

  HWY_INLINE void clear() { std::fill_n(entries, capacity + kPoolSpare, kBehind); }
  // A new entry must be nearer.
  HWY_INLINE std::uint32_t worst() const {
    return static_cast<std::uint32_t>(entries[capacity - 1] >> 32);
  }
  HWY_INLINE std::uint32_t place_of(std::int64_t entry) const {
    const hn::ScalableTag<std::int64_t> d;
    std::uint32_t place = 0, count = size;
    while (count > kCounted) {
      const std::uint32_t half = count / 2;
      place += entries[place + half - 1] < entry ? half : 0;
      count -= half;
    }
    const std::int64_t* const from = entries + place;
    const auto key = hn::Set(d, entry);
    for (std::size_t i = 0; i < count; i += hn::Lanes(d))
      place += static_cast<std::uint32_t>(hn::CountTrue(d, hn::Lt(hn::LoadU(d, from + i), key)));
    return place;
  }
  // Where it went; `capacity` when it is behind a full pool.
  HWY_INLINE std::uint32_t insert(std::int64_t entry) {
    const hn::ScalableTag<std::int64_t> d;
    const std::uint32_t place = HWY_MIN(place_of(entry), capacity);
    const auto lanes = static_cast<std::uint32_t>(hn::Lanes(d));
    if (place == capacity) return place;
    // From the end, one place on; what falls out at the end of a full pool is overwritten below.
    std::uint32_t end = size;
    for (; end - place >= lanes; end -= lanes) {
      std::int64_t* const from = entries + end - lanes;
      hn::StoreU(hn::LoadU(d, from), d, from + 1);
    }
    hn::BlendedStore(hn::LoadU(d, entries + place), hn::FirstN(d, end - place), d,
                     entries + place + 1);
    entries[place] = entry;
    entries[capacity] = kBehind;
    size += size < capacity;
    return place;
  }
};

HWY_INLINE std::int64_t entry_of(std::uint32_t distance, Slot slot) {
  return static_cast<std::int64_t>(std::uint64_t{distance} << 32 | std::uint64_t{slot} << 1);
}
HWY_INLINE Slot slot_in(std::int64_t entry) {
  return static_cast<Slot>(entry) >> 1;
}

// Keeps those of a batch that are nearer than `limit`, in their order; how many.
HWY_INLINE std::size_t keep_nearer(std::uint32_t limit, std::size_t count, std::uint32_t* distances,
                                   Slot* slots) {
  const hn::ScalableTag<std::uint32_t> d;
  const auto most = hn::Set(d, limit);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto distance = hn::LoadU(d, distances + i);
    const auto slot = hn::LoadU(d, slots + i);
    const auto nearer = hn::And(hn::Lt(distance, most), hn::FirstN(d, count - i));
    hn::CompressStore(slot, nearer, d, slots + kept);
    kept += hn::CompressStore(distance, nearer, d, distances + kept);
  }
  return kept;
}

// The unseen neighbours of one node, their codes asked for. Without a branch: whether a
// neighbour was seen is as good as random.
template <bool kFine>
HWY_INLINE std::size_t gather(const CodedGraph& graph, const Link* list, std::uint32_t links_max,
                              std::uint8_t* tags, std::uint8_t walk, Slot* slots,
                              const Batch& batch) {
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < links_max; ++i) {
    const Link link = load_link(list + i);
    if (link == kNoLink) break;
    // tags[slots_end] always counts as seen.
    const Slot slot = HWY_MIN(slot_of(link), graph.slots_end);
    slots[count] = slot;
    count += tags[slot] != walk;
    tags[slot] = walk;
  }
  for (std::size_t i = 0; i < count; ++i) batch.set<kFine>(graph, i, slots[i]);
  return count;
}

// Where rows are short, two hops are under way: while the rows of one come, the list of the next
// node does, and neither is waited for. So a node is chosen before the neighbours of the one before
// it are known; that costs a few hops more, each of which takes less. Long rows have lines enough
// to wait for all at once, and a hop more costs more than it saves.
template <bool kFine>
HWY_INLINE std::uint32_t beam_by(const CodedGraph& shared, const std::uint8_t* code, Slot from,
                                 unsigned level, std::uint32_t ef, BeamScratch& scratch) {
  // A copy that no store can alias, so its fields stay in registers.
  const CodedGraph graph = shared;
  const std::uint32_t links_max = level == 0 ? graph.links_max : graph.upper_links_max;
  const std::size_t list_bytes = links_max * sizeof(Link);
  const bool looks_ahead = graph.components * (kFine ? 2 : 1) <= kComponentsAheadMax;
  std::uint8_t* const tags = scratch.tags.data();
  const std::uint8_t walk = scratch.walk;
  Pool pool{.entries = scratch.pool.data(), .size = 0, .capacity = ef};
  pool.clear();
  tags[from] = walk;
  pool.insert(entry_of(slot_distance<kFine>(graph, code, from), from));
  std::uint64_t distance_count = 1, hops = 0;
  std::uint32_t current = 0;
  std::size_t coming = 0;  // rows of the hop whose distances are not known yet
  BeamScratch::Hop *pending = &scratch.hop[0], *next = &scratch.hop[1];
  while (current < pool.size || coming != 0) {
    const bool goes_on = current < pool.size && (looks_ahead || coming == 0);
    const Link* list = nullptr;
    if (current < pool.size) {
      list = list_at(graph, slot_in(pool.entries[current]), level);
      prefetch(list, list_bytes);
    }
    if (goes_on) {
      pool.entries[current] |= 1;
      ++hops;
    }
    measure_batch<kFine>(graph, code, Batch(*pending), coming, pending->out.data());
    distance_count += coming;
    const std::size_t kept =
        keep_nearer(pool.worst(), coming, pending->out.data(), pending->slots.data());
    coming = goes_on ? gather<kFine>(graph, list, links_max, tags, walk, next->slots.data(),
                                     Batch(*next))
                     : 0;
    for (std::size_t i = 0; i < kept; ++i) {
      const std::uint32_t place = pool.insert(entry_of(pending->out[i], pending->slots[i]));
      current = HWY_MIN(current, place);
    }
    while (current < pool.size && (pool.entries[current] & 1) != 0) ++current;
    std::swap(pending, next);
  }
  scratch.distances += distance_count;
  scratch.hops += hops;
  return pool.size;
}

std::uint32_t Beam(const CodedGraph& graph, const std::uint8_t* code, Slot from, unsigned level,
                   std::uint32_t ef, BeamScratch& scratch) {
  return graph.walks_fine ? beam_by<true>(graph, code, from, level, ef, scratch)
                          : beam_by<false>(graph, code, from, level, ef, scratch);
}

// `code` is the candidate's.
template <bool kFine>
HWY_INLINE bool is_dominated(const CodedGraph& graph, const std::uint8_t* code,
                             std::uint32_t distance, const Batch& kept, std::size_t count) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    std::uint32_t out[4];
    four_distances<kFine>(graph, code, kept, i, out);
    if (HWY_MIN(HWY_MIN(out[0], out[1]), HWY_MIN(out[2], out[3])) <= distance) return true;
  }
  for (; i < count; ++i)
    if (one_distance<kFine>(graph, code, kept.coarse[i], kept.fine[i]) <= distance) return true;
  return false;
}

HWY_INLINE void join_cell(const CodedGraph& graph, Slot slot, std::uint8_t* cell) {
  const std::uint8_t* const coarse = cell_at(graph.coarse, slot);
  const std::span code(cell, graph.components);
  if (graph.has_fine)
    join_code(coarse, cell_at(graph.fine, slot), code);
  else
    join_coarse(coarse, code);
  if (graph.has_extra)
    std::memcpy(cell + graph.components, coarse + graph.components / 2, sizeof(float));
}

void JoinRow(const CodedGraph& graph, Slot slot, std::uint8_t* cell) {
  join_cell(graph, slot, cell);
}

template <bool kFine>
HWY_INLINE std::size_t choose_by(const CodedGraph& graph, std::span<const CodeNeighbour> candidates,
                                 std::span<CodeNeighbour> out, BeamScratch& scratch) {
  const Batch kept(scratch.hop[0]);
  auto* const cell = reinterpret_cast<std::uint8_t*>(scratch.cell.data());
  std::size_t tree_left = 0, chosen = 0;
  for (const CodeNeighbour candidate : candidates) tree_left += is_tree_link(candidate.link);
  for (const CodeNeighbour candidate : candidates) {
    if (chosen == out.size()) break;
    if (is_tree_link(candidate.link)) {
      --tree_left;
    } else {
      if (chosen + tree_left >= out.size()) continue;
      join_cell(graph, candidate.slot(), cell);
      if (is_dominated<kFine>(graph, cell, candidate.distance, kept, chosen)) continue;
    }
    kept.set<kFine>(graph, chosen, candidate.slot());
    out[chosen++] = candidate;
  }
  return chosen;
}

std::size_t Choose(const CodedGraph& graph, std::span<const CodeNeighbour> candidates,
                   std::span<CodeNeighbour> out, BeamScratch& scratch) {
  return graph.has_fine ? choose_by<true>(graph, candidates, out, scratch)
                        : choose_by<false>(graph, candidates, out, scratch);
}

}  // namespace HWY_NAMESPACE
}  // namespace vexfs
#if HWY_TARGET <= HWY_AVX3_DL
#pragma GCC pop_options
#endif
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include "base/assert.h"

namespace vexfs {

HWY_EXPORT(RowDistance);
HWY_EXPORT(CoarseDistance);
HWY_EXPORT(JoinRow);
HWY_EXPORT(Measure);
HWY_EXPORT(Descend);
HWY_EXPORT(Beam);
HWY_EXPORT(Choose);

std::uint32_t row_distance(std::span<const std::uint8_t> code, const std::uint8_t* coarse,
                           const std::uint8_t* fine) {
  VEXFS_ASSERT(code.size() % 128 == 0);
  return HWY_DYNAMIC_DISPATCH(RowDistance)(code.data(), coarse, fine, code.size());
}

std::uint32_t coarse_distance(std::span<const std::uint8_t> code, const std::uint8_t* coarse) {
  VEXFS_ASSERT(code.size() % 128 == 0);
  return HWY_DYNAMIC_DISPATCH(CoarseDistance)(code.data(), coarse, code.size());
}

void join_row(const CodedGraph& graph, Slot slot, std::span<std::uint8_t> cell) {
  VEXFS_ASSERT(cell.size() >= graph.cell_bytes());
  HWY_DYNAMIC_DISPATCH(JoinRow)(graph, slot, cell.data());
}

void measure(const CodedGraph& graph, const std::uint8_t* code, std::span<CodeNeighbour> neighbours,
             BeamScratch& scratch) {
  HWY_DYNAMIC_DISPATCH(Measure)(graph, code, neighbours, scratch);
}

Slot descend(const CodedGraph& graph, const std::uint8_t* code, Slot from, unsigned top,
             unsigned bottom, BeamScratch& scratch) {
  VEXFS_ASSERT(bottom >= 1 && graph.upper_links_max <= kLinksMax);
  return HWY_DYNAMIC_DISPATCH(Descend)(graph, code, from, top, bottom, scratch);
}

void beam(const CodedGraph& graph, const std::uint8_t* code, Slot from, unsigned level,
          std::uint32_t ef, BeamScratch& scratch, std::vector<CodeNeighbour>& found) {
  VEXFS_ASSERT(graph.links_max <= kLinksMax && graph.upper_links_max <= kLinksMax);
  VEXFS_ASSERT(from < graph.slots_end);
  if (scratch.tags.size() <= graph.slots_end) scratch.tags.resize(graph.slots_end + 1, 0);
  if (++scratch.walk == 0) {
    std::ranges::fill(scratch.tags, 0);
    scratch.walk = 1;
  }
  scratch.tags[graph.slots_end] = scratch.walk;
  if (scratch.pool.size() < ef + kPoolSpare) scratch.pool.resize(ef + kPoolSpare);
  const std::uint32_t count = HWY_DYNAMIC_DISPATCH(Beam)(graph, code, from, level, ef, scratch);
  found.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::int64_t entry = scratch.pool[i];
    found.push_back({.distance = static_cast<std::uint32_t>(entry >> 32),
                     .link = link_to(static_cast<Slot>(entry) >> 1)});
  }
}

std::size_t choose_links(const CodedGraph& graph, std::span<const CodeNeighbour> candidates,
                         std::span<CodeNeighbour> out, BeamScratch& scratch) {
  VEXFS_ASSERT(out.size() <= kLinksMax);
  if (scratch.cell.size() < graph.cell_bytes()) scratch.cell = Buffer::take(graph.cell_bytes());
  return HWY_DYNAMIC_DISPATCH(Choose)(graph, candidates, out, scratch);
}

}  // namespace vexfs
#endif  // HWY_ONCE
