// SPDX-License-Identifier: Apache-2.0
// What is hot in a graph over codes: distances, greedy descent, the beam, the choice of
// links. Each call dispatches once to the best SIMD target and stays there.
//
// Nothing here knows files, locks or states of nodes: it reads codes and neighbour lists by
// slot. Lists may change meanwhile. Threads: any; a BeamScratch belongs to one call.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/buffer_pool.h"
#include "vector/column.h"
#include "vector/link.h"

namespace vexfs {

inline constexpr std::uint32_t kLinksMax = 128;  // of a list
inline constexpr std::uint32_t kPoolSpare = 16;  // words of the widest vector

// A neighbour by codes. Ordered by distance, then slot.
struct CodeNeighbour {
  std::uint32_t distance = 0;  // in squared steps of the quantiser
  Link link = kNoLink;
  Slot slot() const { return slot_of(link); }
  friend bool operator==(CodeNeighbour, CodeNeighbour) = default;
};

// Rows as codes in two planes (vector/code_planes.h), and the lists of their neighbours. A code of
// one's own (a question's, a row's that is joined) is a cell: `components` bytes, 64-byte aligned.
struct CodedGraph {
  std::uint32_t components = 0;  // a multiple of 128
  // Cells of components / 2 bytes; 64-byte aligned.
  Column coarse, fine;
  bool has_fine = true;    // else `fine` is absent and counts as 8 everywhere
  bool walks_fine = true;  // beams and descents read both planes
  // After the coarse half of a row's code, and after a whole cell, stands a float more, in steps;
  // the square of its difference counts like that of any other component.
  bool has_extra = false;
  Column lists;  // cells of links_max links: level 0
  std::uint32_t links_max = 0;
  Column upper_lists;  // cells are Link*: levels 1, 2, … of upper_links_max links each
  std::uint32_t upper_links_max = 0;
  std::uint32_t slots_end = 0;  // slots from here on are not looked at

  std::size_t cell_bytes() const { return components + (has_extra ? sizeof(float) : 0); }
};

// The visited set: one byte a slot that holds the number of the walk that saw it, so a new walk
// clears nothing; every 255 walks the bytes are cleared once.
struct BeamScratch {
  std::vector<std::uint8_t> tags;
  std::uint8_t walk = 0;
  std::vector<std::int64_t> pool;  // distance << 32 | slot << 1 | expanded
  std::uint64_t distances = 0, hops = 0;
  // The unseen neighbours of one node; here, because a stack frame has no room for it. A beam has
  // two: it measures one while the rows of the other come.
  struct Hop {
    alignas(64) std::array<const std::uint8_t*, kLinksMax> coarse;
    alignas(64) std::array<const std::uint8_t*, kLinksMax> fine;
    alignas(64) std::array<Slot, kLinksMax + kPoolSpare> slots;
    alignas(64) std::array<std::uint32_t, kLinksMax + kPoolSpare> out;
  };
  std::array<Hop, 2> hop;
  Buffer cell;  // of the row whose code is joined
};

// By definition: from a cell to a row's planes, by both or by the coarse one alone.
std::uint32_t row_distance(std::span<const std::uint8_t> code, const std::uint8_t* coarse,
                           const std::uint8_t* fine);
std::uint32_t coarse_distance(std::span<const std::uint8_t> code, const std::uint8_t* coarse);

// The code of a row as a cell of its own.
void join_row(const CodedGraph& graph, Slot slot, std::span<std::uint8_t> cell);
// The distances of `neighbours` from `code` by all that there is of their rows.
void measure(const CodedGraph& graph, const std::uint8_t* code, std::span<CodeNeighbour> neighbours,
             BeamScratch& scratch);

// The nearest node that greedy steps reach from `from` on levels `top` down to `bottom` >= 1.
Slot descend(const CodedGraph& graph, const std::uint8_t* code, Slot from, unsigned top,
             unsigned bottom, BeamScratch& scratch);

// The beam of algorithm 2: up to `ef` nodes near `code`, nearest first, into `found`.
void beam(const CodedGraph& graph, const std::uint8_t* code, Slot from, unsigned level,
          std::uint32_t ef, BeamScratch& scratch, std::vector<CodeNeighbour>& found);

// The heuristic (algorithm 4): of `candidates`, nearest first, at most out.size() that are each
// nearer to the node than to any chosen before. Tree links are always chosen. How many.
std::size_t choose_links(const CodedGraph& graph, std::span<const CodeNeighbour> candidates,
                         std::span<CodeNeighbour> out, BeamScratch& scratch);

}  // namespace vexfs
