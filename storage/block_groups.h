// SPDX-License-Identifier: Apache-2.0
// BlockGroups: two bits for each block of a volume, in groups of 128 MiB, counted and searched.
// A group that is free as a whole costs no memory; others 1/16384 of their size.
//
//   busy   not to be handed out     owned   referenced by what a checkpoint would record
//
// What the bits mean together is SpaceMap's business (storage/space_map.h).
// Threads: one at a time.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/page_format.h"
#include "storage/space_format.h"

namespace vexfs {

class BlockGroups {
 public:
  // Blocks first ..< end are free, all others busy and owned; multiples of a slot (kPageBlocks).
  BlockGroups(std::uint64_t first, std::uint64_t end);

  bool busy(std::uint64_t block) const;
  bool owned(std::uint64_t block) const;
  void set_busy(Extent extent, bool busy);
  void set_owned(Extent extent, bool owned);
  bool all(Extent extent, bool busy, bool owned) const;
  bool holds(Extent extent) const;  // lies in first ..< end

  // The area ends later, at a multiple of a slot; what it has won is free.
  void extend(std::uint64_t end);

  std::uint64_t free_blocks() const { return free_blocks_; }  // not busy
  std::uint64_t free_slots() const { return free_slots_; }    // of those, whole slots
  std::uint64_t group_count() const { return groups_.size(); }
  std::uint64_t end() const { return end_; }

  // The first block of a free slot, going round from where the last was found; 0: none.
  std::uint64_t find_slot();
  // A free run of `blocks`, or the longest that a bounded search meets; empty when there is
  // none. It begins at `hint` when that is free, else the search goes round.
  enum class From : std::uint8_t { anywhere, broken_slots };
  Extent find_run(std::uint32_t blocks, std::uint64_t hint, From from);

  // Every group that is not free as a whole counts as changed.
  void mark_all_changed();
  // The groups whose owned bits changed since the last call.
  std::vector<std::uint64_t> take_changed();
  // A group as it is recorded (storage/space_format.h); free as a whole: no record.
  struct Record {
    bool none = false;
    std::string value;
  };
  Record encode(std::uint64_t group) const;
  // Blocks that are not free there become busy and owned. EUCLEAN for what encode() never makes.
  Result<> decode(std::uint64_t group, Bytes record);

 private:
  static constexpr unsigned kWords = kGroupBlocks / 64;
  struct Bits {
    std::array<std::uint64_t, kWords> busy{}, owned{};
  };
  struct Group {
    std::unique_ptr<Bits> bits;  // none: free as a whole
    std::uint32_t free_slots = kGroupBlocks / kPageBlocks;
    bool changed = false;
  };
  Bits& bits_of(std::uint64_t block);
  void set_outside(std::uint64_t from, std::uint64_t to, bool outside);
  // Which bits of the word of `block`, its first, lie in the area.
  std::uint64_t area_bits(std::uint64_t block) const;
  // Of the word in which `block` stands.
  void set_busy_bits(std::uint64_t block, std::uint64_t bits, bool busy);
  void set_owned_bits(std::uint64_t block, std::uint64_t bits, bool owned);
  std::uint64_t available(std::uint64_t word, From from) const;
  Extent run_between(std::uint64_t from, std::uint64_t to, std::uint32_t blocks, From where,
                     Extent best) const;

  const std::uint64_t first_;
  std::uint64_t end_;
  std::vector<Group> groups_;
  std::uint64_t free_blocks_ = 0, free_slots_ = 0;
  std::uint64_t slot_cursor_, run_cursor_;
};

}  // namespace vexfs
