// SPDX-License-Identifier: Apache-2.0
// A tree page and the pointer to it. Twin of doc/FORMAT.md, section "Pages".
//
//   0        32        32 + 6 * count      heap_begin             kPageBytes
//   | header | slots   |   free            | cells, newest lowest |
//
// Slots are in key order and name their cells. A cell is CellHeader, key, value. In a leaf
// (level 0) the value is the user's; above it is a PagePointer, and the key is the lowest that
// its child may hold (the first cell of the leftmost page of a level: empty).
//
// A search looks at slots and rarely at cells: keys of a page begin alike, and what tells them
// apart is in the slot. The first cell of a page above the leaves is never compared, so it does
// not count for what is alike.
#pragma once
#include <array>
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "storage/types.h"

namespace vexfs {

inline constexpr std::uint32_t kPageMagic = 0x45474150;  // "PAGE"
inline constexpr std::uint16_t kPageVersion = 1;
inline constexpr unsigned kPageBlocks = kPageBytes / kBlockBytes;
inline constexpr unsigned kLevelsMax = 16;

struct PagePointer {  //  offset
  le64 address;       //   0  BlockNo of its first block; 0: no page
  le64 check;         //   8  XXH3-64 of the page, 1 for 0: lost, torn, misplaced writes, bit rot.
                      //      0 in memory only: the page is not written yet
  le64 birth;         //  16  generation that wrote it
  bool none() const { return address == 0; }
};
static_assert(sizeof(PagePointer) == 24 && alignof(PagePointer) == 1);
static_assert(offsetof(PagePointer, check) == 8 && offsetof(PagePointer, birth) == 16);
static_assert(std::is_trivially_copyable_v<PagePointer>);

struct PageHeader {    //  offset
  le32 magic;          //   0  kPageMagic
  le16 version;        //   4  kPageVersion
  std::uint8_t tree;   //   6  Tree: a page of another tree
  std::uint8_t level;  //   7  0: leaf
  le64 address;        //   8  its own: misdirected writes
  le64 birth;          //  16  as in the pointer: lost writes
  le16 count;          //  24  cells
  le16 heap_begin;     //  26  offset of the lowest cell
  le16 heap_dead;      //  28  bytes above heap_begin that no slot names
  le16 prefix_bytes;   //  30  with which all keys begin; may be less than they share
};
static_assert(sizeof(PageHeader) == 32 && alignof(PageHeader) == 1);
static_assert(offsetof(PageHeader, address) == 8 && offsetof(PageHeader, count) == 24);
static_assert(std::is_trivially_copyable_v<PageHeader>);

struct Slot {                        //  offset
  le16 cell;                         //   0  where the cell is
  std::array<std::uint8_t, 4> head;  //   2  of its key behind the prefix, zeros beyond its end
};
static_assert(sizeof(Slot) == 6 && alignof(Slot) == 1);
static_assert(std::is_trivially_copyable_v<Slot>);

struct CellHeader {  //  offset
  le16 key_bytes;    //   0  the key follows this header
  le16 value_bytes;  //   2  the value follows the key
};
static_assert(sizeof(CellHeader) == 4 && alignof(CellHeader) == 1);
static_assert(std::is_trivially_copyable_v<CellHeader>);

}  // namespace vexfs
