// SPDX-License-Identifier: Apache-2.0
// How a graph lies in the pieces that save() writes and load() reads.
//
//   offset  bytes            what
//   0       96               PieceHeader
//   96      8 × ceil(b/1 MiB)  XXH3-64 of each MiB of the body: a flipped bit, a torn write
//   …       b                body: in piece 0 first the quantiser; then the nodes of slots
//                            [piece × 256 K, …) in order
//   256 K, …) in order
//
// A node is its state (1 byte; absent: nothing more), its level (1 byte), and for each level
// from 0 up the number of links (1 byte) and the links (4 bytes each, vector/link.h).
//
// Every header repeats the parameters and `edits`, so a piece of another graph, or of another
// save of this one, is noticed. Reserved bytes are zero.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/endian.h"
#include "vector/rows.h"

namespace vexfs {

inline constexpr std::uint32_t kPieceSlots = 256 * 1024;
inline constexpr std::size_t kChecksumSpan = std::size_t{1} << 20;
inline constexpr std::uint64_t kPieceMagic = 0x3150'5247'5845'56ffu;  // "\xffVEXGRP1"
inline constexpr std::uint32_t kGraphVersion = 1;

struct PieceHeader {     // offset
  le64 magic;            // 0
  le32 version;          // 8
  le32 piece;            // 12  this one
  le32 pieces;           // 16  of the whole graph, at least 1
  le32 dimension;        // 20
  le32 metric;           // 24
  le32 m;                // 28
  le32 ef_construction;  // 32
  le32 slots_end;        // 36  every slot of the graph is below
  le64 seed;             // 40
  le64 edits;            // 48  the same in all pieces of one save
  le32 entry;            // 56  kNoSlot: empty graph
  le32 root;             // 60  of the tree
  le64 body_bytes;       // 64
  le64 table_checksum;   // 72  XXH3-64 of the checksum table
  le32 quantiser_bytes;  // 80  at the begin of the body of piece 0, else 0
  le32 reserved;         // 84
  le64 header_checksum;  // 88  XXH3-64 of the 88 bytes above
};
static_assert(sizeof(PieceHeader) == 96 && alignof(PieceHeader) == 1);
static_assert(offsetof(PieceHeader, seed) == 40 && offsetof(PieceHeader, body_bytes) == 64);
static_assert(offsetof(PieceHeader, header_checksum) == 88);
static_assert(std::is_trivially_copyable_v<PieceHeader>);

constexpr std::size_t spans_of(std::uint64_t body_bytes) {
  return static_cast<std::size_t>((body_bytes + kChecksumSpan - 1) / kChecksumSpan);
}

}  // namespace vexfs
