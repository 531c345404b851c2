// SPDX-License-Identifier: Apache-2.0
#include "storage/block_groups.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"

namespace vexfs {

namespace {

constexpr unsigned kWordBits = 64;
constexpr std::uint64_t kSlotLowBits = 0x1111111111111111;

// Bit 0 of each slot (four bits) that has a bit set.
constexpr std::uint64_t touched_slots(std::uint64_t busy) {
  return (busy | busy >> 1 | busy >> 2 | busy >> 3) & kSlotLowBits;
}
constexpr std::uint64_t mask_of(std::uint64_t block) {
  return std::uint64_t{1} << (block % kWordBits);
}
constexpr std::size_t word_of(std::uint64_t block) {
  return block % kGroupBlocks / kWordBits;
}
// Bits that blocks first ..< end have in the word of `block`, which lies in [first, end).
constexpr std::uint64_t bits_between(std::uint64_t first, std::uint64_t end, std::uint64_t block) {
  const std::uint64_t word = block / kWordBits * kWordBits;
  std::uint64_t bits = ~std::uint64_t{0};
  if (first > word) bits <<= first - word;
  if (end - word < kWordBits) bits &= (std::uint64_t{1} << (end - word)) - 1;
  return bits;
}
// Calls visit(block, bits) for each word that the extent touches, `block` being its first there.
template <class Visit>
void each_word(Extent extent, Visit visit) {
  const auto first = static_cast<std::uint64_t>(extent.first);
  const std::uint64_t end = first + extent.blocks;
  for (std::uint64_t block = first; block < end; block = (block / kWordBits + 1) * kWordBits)
    visit(block, bits_between(first, end, block));
}

}  // namespace

BlockGroups::BlockGroups(std::uint64_t first, std::uint64_t end)
    : first_(first),
      end_(end),
      groups_((end + kGroupBlocks - 1) / kGroupBlocks),
      slot_cursor_(first),
      // Pages from the front, data from behind them, so that they rarely break up each other.
      run_cursor_(first + (end - first) / 16) {
  VEXFS_ASSERT(first % kPageBlocks == 0 && end % kPageBlocks == 0 && first < end);
  free_blocks_ = groups_.size() * kGroupBlocks;
  free_slots_ = free_blocks_ / kPageBlocks;
  set_outside(0, first, true);
  set_outside(end, groups_.size() * kGroupBlocks, true);
  for (Group& group : groups_) group.changed = false;
}

void BlockGroups::set_outside(std::uint64_t from, std::uint64_t to, bool outside) {
  const Extent run{.first = BlockNo{from}, .blocks = static_cast<std::uint32_t>(to - from)};
  set_busy(run, outside);
  set_owned(run, outside);
}

void BlockGroups::extend(std::uint64_t end) {
  VEXFS_ASSERT(end % kPageBlocks == 0 && end >= end_);
  const std::uint64_t groups_before = groups_.size();
  set_outside(end_, groups_before * kGroupBlocks, false);
  groups_.resize((end + kGroupBlocks - 1) / kGroupBlocks);
  const std::uint64_t blocks = (groups_.size() - groups_before) * kGroupBlocks;
  free_blocks_ += blocks;
  free_slots_ += blocks / kPageBlocks;
  end_ = end;
  set_outside(end, groups_.size() * kGroupBlocks, true);
}

std::uint64_t BlockGroups::area_bits(std::uint64_t block) const {
  const bool touches = block + kWordBits > first_ && block < end_;
  return touches ? bits_between(std::max(first_, block), end_, block) : 0;
}

BlockGroups::Bits& BlockGroups::bits_of(std::uint64_t block) {
  Group& group = groups_[block / kGroupBlocks];
  if (group.bits == nullptr) group.bits = std::make_unique<Bits>();
  return *group.bits;
}

bool BlockGroups::busy(std::uint64_t block) const {
  const Group& group = groups_[block / kGroupBlocks];
  return group.bits != nullptr && (group.bits->busy[word_of(block)] & mask_of(block)) != 0;
}

bool BlockGroups::owned(std::uint64_t block) const {
  const Group& group = groups_[block / kGroupBlocks];
  return group.bits != nullptr && (group.bits->owned[word_of(block)] & mask_of(block)) != 0;
}

void BlockGroups::set_busy_bits(std::uint64_t block, std::uint64_t bits, bool busy) {
  std::uint64_t& word = bits_of(block).busy[word_of(block)];
  VEXFS_ASSERT((word & bits) == (busy ? 0 : bits));
  const int before = std::popcount(touched_slots(word));
  word ^= bits;
  // Negative, as an unsigned number, when slots become free.
  const auto broken = static_cast<std::uint64_t>(std::popcount(touched_slots(word)) - before);
  const auto blocks = static_cast<std::uint64_t>(std::popcount(bits));
  groups_[block / kGroupBlocks].free_slots -= static_cast<std::uint32_t>(broken);
  free_slots_ -= broken;
  free_blocks_ = busy ? free_blocks_ - blocks : free_blocks_ + blocks;
}

void BlockGroups::set_owned_bits(std::uint64_t block, std::uint64_t bits, bool owned) {
  std::uint64_t& word = bits_of(block).owned[word_of(block)];
  VEXFS_ASSERT((word & bits) == (owned ? 0 : bits));
  word ^= bits;
  groups_[block / kGroupBlocks].changed = true;
}

void BlockGroups::set_busy(Extent extent, bool busy) {
  each_word(extent, [&](auto block, auto bits) { set_busy_bits(block, bits, busy); });
}

void BlockGroups::set_owned(Extent extent, bool owned) {
  each_word(extent, [&](auto block, auto bits) { set_owned_bits(block, bits, owned); });
}

bool BlockGroups::all(Extent extent, bool busy, bool owned) const {
  bool all = true;
  each_word(extent, [&](std::uint64_t block, std::uint64_t bits) {
    const Bits* const map = groups_[block / kGroupBlocks].bits.get();
    const std::size_t word = word_of(block);
    const std::uint64_t is_busy = map == nullptr ? 0 : map->busy[word] & bits;
    const std::uint64_t is_owned = map == nullptr ? 0 : map->owned[word] & bits;
    all = all && is_busy == (busy ? bits : 0) && is_owned == (owned ? bits : 0);
  });
  return all;
}

bool BlockGroups::holds(Extent extent) const {
  const auto from = static_cast<std::uint64_t>(extent.first);
  return extent.blocks > 0 && from >= first_ && from < end_ && extent.blocks <= end_ - from;
}

std::uint64_t BlockGroups::find_slot() {
  if (free_slots_ == 0) return 0;
  const std::uint64_t words = groups_.size() * kWords;
  std::uint64_t word = slot_cursor_ / kWordBits;
  for (std::uint64_t seen = 0; seen <= words; ++seen, ++word) {
    if (word >= words) word = 0;
    const Group& group = groups_[word / kWords];
    if (group.free_slots == 0) {
      word |= kWords - 1;  // on to the next group
      continue;
    }
    const std::uint64_t busy = group.bits == nullptr ? 0 : group.bits->busy[word % kWords];
    const std::uint64_t free = ~touched_slots(busy) & kSlotLowBits;
    if (free == 0) continue;
    slot_cursor_ = word * kWordBits;
    return slot_cursor_ + static_cast<unsigned>(std::countr_zero(free));
  }
  return 0;
}

std::uint64_t BlockGroups::available(std::uint64_t word, From from) const {
  const Group& group = groups_[word / kWords];
  const std::uint64_t busy = group.bits == nullptr ? 0 : group.bits->busy[word % kWords];
  if (from == From::anywhere) return ~busy;
  return ~busy & touched_slots(busy) * 0xF;
}

// The first run of `blocks` in from ..< to, else the longest, else `best`.
Extent BlockGroups::run_between(std::uint64_t from, std::uint64_t to, std::uint32_t blocks,
                                From where, Extent best) const {
  std::uint64_t at = from;
  while (at < to) {
    const std::uint64_t bits = available(at / kWordBits, where) & ~std::uint64_t{0}
                                                                      << (at % kWordBits);
    if (bits == 0) {
      at = (at / kWordBits + 1) * kWordBits;
      continue;
    }
    const std::uint64_t begin =
        at / kWordBits * kWordBits + static_cast<unsigned>(std::countr_zero(bits));
    const std::uint64_t limit = std::min(to, begin + blocks);
    std::uint64_t end = begin;
    while (end < limit) {
      const std::uint64_t taken = ~available(end / kWordBits, where) & ~std::uint64_t{0}
                                                                           << (end % kWordBits);
      end = end / kWordBits * kWordBits + static_cast<unsigned>(std::countr_zero(taken));
      if (taken != 0) break;
    }
    end = std::min(end, limit);
    if (end > begin && end - begin > best.blocks)
      best = {.first = BlockNo{begin}, .blocks = static_cast<std::uint32_t>(end - begin)};
    if (best.blocks == blocks) return best;
    at = end + 1;
  }
  return best;
}

Extent BlockGroups::find_run(std::uint32_t blocks, std::uint64_t hint, From from) {
  const auto taken = [this](Extent run) {
    if (run.blocks > 0) run_cursor_ = static_cast<std::uint64_t>(run.first) + run.blocks;
    return run;
  };
  if (hint >= first_ && hint < end_) {
    const Extent next = run_between(hint, std::min(hint + blocks, end_), blocks, from, {});
    if (next.blocks > 0 && static_cast<std::uint64_t>(next.first) == hint) return taken(next);
  }
  // Four groups are enough to look for the whole length; then the longest so far will do.
  constexpr std::uint64_t kEnough = 4 * std::uint64_t{kGroupBlocks};
  Extent best;
  std::uint64_t at = run_cursor_ < end_ ? run_cursor_ : first_;
  for (std::uint64_t seen = 0; seen < end_ - first_ + kGroupBlocks;) {
    const std::uint64_t to = std::min(end_, (at / kGroupBlocks + 1) * kGroupBlocks);
    best = run_between(at, to, blocks, from, best);
    seen += to - at;
    if (best.blocks == blocks || (best.blocks > 0 && seen >= kEnough)) break;
    at = to < end_ ? to : first_;
  }
  return taken(best);
}

void BlockGroups::mark_all_changed() {
  for (Group& group : groups_) group.changed = group.bits != nullptr;
}

std::vector<std::uint64_t> BlockGroups::take_changed() {
  std::vector<std::uint64_t> changed;
  for (std::uint64_t i = 0; i < groups_.size(); ++i)
    if (std::exchange(groups_[i].changed, false)) changed.push_back(i);
  return changed;
}

BlockGroups::Record BlockGroups::encode(std::uint64_t group) const {
  Record record{.none = groups_[group].bits == nullptr, .value = {}};
  if (record.none) return record;
  const auto map = std::make_unique<Bits>();  // 8 KiB: too large for the stack
  auto& owned = map->owned;
  for (std::uint32_t word = 0; word < kWords; ++word)
    owned[word] = groups_[group].bits->owned[word] &
                  area_bits(group * kGroupBlocks + std::uint64_t{word} * kWordBits);
  std::uint32_t free = 0;
  std::uint32_t at = 0;
  while (at < kGroupBlocks && record.value.size() < kGroupBytes) {
    if ((owned[at / kWordBits] & mask_of(at)) != 0) {
      ++at;
      continue;
    }
    std::uint32_t end = at;
    while (end < kGroupBlocks && (owned[end / kWordBits] & mask_of(end)) == 0) ++end;
    const FreeRun run{.first = static_cast<std::uint16_t>(at),
                      .blocks_less1 = static_cast<std::uint16_t>(end - at - 1)};
    record.value += as_text(bytes_of(run));
    free += end - at;
    at = end;
  }
  if (record.value.size() >= kGroupBytes)
    record.value = as_text(std::as_bytes(std::span(owned)));
  else
    record.none = free == kGroupBlocks;
  return record;
}

Result<> BlockGroups::decode(std::uint64_t group, Bytes record) {
  if (group >= groups_.size() || record.size() > kGroupBytes || record.size() % sizeof(FreeRun))
    return fail(EUCLEAN, "space: record of no group");
  const auto map = std::make_unique<Bits>();  // 8 KiB: too large for the stack
  auto& owned = map->owned;
  if (record.size() == kGroupBytes) {
    std::memcpy(owned.data(), record.data(), kGroupBytes);
  } else {
    owned.fill(~std::uint64_t{0});
    std::uint32_t next = 0;
    for (; !record.empty(); record = record.subspan(sizeof(FreeRun))) {
      FreeRun run;
      std::memcpy(&run, record.data(), sizeof run);
      const std::uint32_t end = run.first + std::uint32_t{run.blocks_less1} + 1;
      if (run.first < next || end > kGroupBlocks) return fail(EUCLEAN, "space: runs in disorder");
      each_word({.first = BlockNo{std::uint64_t{run.first}}, .blocks = end - run.first},
                [&](std::uint64_t block, std::uint64_t bits) { owned[word_of(block)] ^= bits; });
      next = end;
    }
  }
  for (std::uint32_t at = 0; at < kGroupBlocks; at += kWordBits) {
    const std::uint64_t block = group * kGroupBlocks + at;
    const std::uint64_t bits = owned[at / kWordBits];
    if ((bits & ~area_bits(block)) != 0)
      return fail(EUCLEAN, "space: blocks in use outside of the data area");
    if (bits == 0) continue;
    if ((bits_of(block).busy[at / kWordBits] & bits) != 0)
      return fail(EUCLEAN, "space: a block twice");
    set_busy_bits(block, bits, true);
    set_owned_bits(block, bits, true);
  }
  groups_[group].changed = false;
  return {};
}

}  // namespace vexfs
