// SPDX-License-Identifier: Apache-2.0
// Goal: the bits of blocks and the counts over them are what a plain list of blocks says, across
// words and groups, and come back from their records.
// Method: random runs on both from a printed seed; every count and record compared.
#include "storage/block_groups.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace vexfs;

TEST_SUITE_BEGIN("storage/block groups");

namespace {

constexpr std::uint64_t kFirst = 772, kEnd = 2 * kGroupBlocks + 1300;

struct Plain {
  std::vector<char> busy = std::vector<char>(3 * kGroupBlocks, 1);
  std::vector<char> owned = std::vector<char>(3 * kGroupBlocks, 1);
  Plain() {
    std::fill(busy.begin() + kFirst, busy.begin() + kEnd, 0);
    std::fill(owned.begin() + kFirst, owned.begin() + kEnd, 0);
  }
  std::uint64_t free_slots() const {
    std::uint64_t slots = 0;
    for (std::size_t at = 0; at < busy.size(); at += kPageBlocks)
      slots += std::all_of(busy.begin() + static_cast<std::ptrdiff_t>(at),
                           busy.begin() + static_cast<std::ptrdiff_t>(at + kPageBlocks),
                           [](char b) { return b == 0; });
    return slots;
  }
};

// The longest run at `at`, up to `most`, whose blocks all have this value.
std::uint32_t run_at(const std::vector<char>& bits, std::uint64_t at, std::uint64_t most) {
  std::uint64_t end = at;
  while (end < std::min(at + most, kEnd) && bits[end] == bits[at]) ++end;
  return static_cast<std::uint32_t>(end - at);
}

void set(std::vector<char>& bits, Extent run, bool value) {
  const auto at = static_cast<std::ptrdiff_t>(run.first);
  std::fill(bits.begin() + at, bits.begin() + at + run.blocks, value);
}

}  // namespace

TEST_CASE("runs of any place and length change what they cover and the counts, and nothing else") {
  for (const unsigned seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    BlockGroups groups(kFirst, kEnd);
    Plain plain;
    for (int i = 0; i < 3000; ++i) {
      const std::uint64_t at = kFirst + rng() % (kEnd - kFirst);
      const std::uint64_t most = 1 + rng() % (rng() % 8 == 0 ? 40'000 : 300);
      const bool of_owned = rng() % 2 == 0;
      std::vector<char>& bits = of_owned ? plain.owned : plain.busy;
      const Extent run{.first = BlockNo{at}, .blocks = run_at(bits, at, most)};
      const bool value = bits[at] == 0;
      if (of_owned)
        groups.set_owned(run, value);
      else
        groups.set_busy(run, value);
      set(bits, run, value);
      const Extent wider{.first = run.first,
                         .blocks = static_cast<std::uint32_t>(std::min(most, kEnd - at))};
      const auto same = [&](const std::vector<char>& in, bool as) {
        const auto from = in.begin() + static_cast<std::ptrdiff_t>(at);
        return std::all_of(from, from + wider.blocks, [as](char b) { return (b != 0) == as; });
      };
      for (const bool busy : {false, true})
        for (const bool owned : {false, true})
          REQUIRE(groups.all(wider, busy, owned) ==
                  (same(plain.busy, busy) && same(plain.owned, owned)));
      if (i % 100 != 0) continue;
      REQUIRE(groups.free_slots() == plain.free_slots());
      REQUIRE(groups.free_blocks() ==
              static_cast<std::uint64_t>(std::ranges::count(plain.busy, 0)));
    }
    for (std::uint64_t block = 0; block < plain.busy.size(); ++block) {
      REQUIRE(groups.busy(block) == (plain.busy[block] != 0));
      REQUIRE(groups.owned(block) == (plain.owned[block] != 0));
    }
    // What is recorded is what is owned.
    BlockGroups loaded(kFirst, kEnd);
    for (std::uint64_t group = 0; group < groups.group_count(); ++group) {
      const auto record = groups.encode(group);
      if (!record.none) REQUIRE(loaded.decode(group, as_bytes(record.value)));
    }
    for (std::uint64_t block = 0; block < plain.owned.size(); ++block)
      REQUIRE(loaded.busy(block) == (plain.owned[block] != 0));
    CHECK(loaded.take_changed().empty());
  }
}

TEST_CASE("a record that uses what is no data, or names a block twice, is refused") {
  BlockGroups refusing(kFirst, kEnd), groups(kFirst, kEnd);
  const FreeRun outside{.first = std::uint16_t{900}, .blocks_less1 = std::uint16_t{99}};
  CHECK(refusing.decode(0, bytes_of(outside)).error().code == EUCLEAN);
  const FreeRun behind{.first = std::uint16_t{1200}, .blocks_less1 = std::uint16_t{100}};
  CHECK(refusing.decode(2, bytes_of(behind)).error().code == EUCLEAN);
  const FreeRun runs[] = {{.first = std::uint16_t{0}, .blocks_less1 = std::uint16_t{kFirst - 1}},
                          {.first = std::uint16_t{900}, .blocks_less1 = std::uint16_t{99}}};
  const Bytes inside = std::as_bytes(std::span(runs));
  REQUIRE(groups.decode(0, inside));
  CHECK(groups.free_blocks() == kGroupBlocks + 1300 + 100);
  CHECK(groups.decode(0, inside).error().code == EUCLEAN);
  CHECK(groups.decode(3, inside).error().code == EUCLEAN);
}

TEST_SUITE_END();
