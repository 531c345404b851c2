// SPDX-License-Identifier: Apache-2.0
// Goal: freed space goes back to the host, and never a block that something needs.
// Method: the choice of ranges against a bitmap; a real image that shrinks; a device that fills
// what is discarded with garbage below a random workload.
#include "storage/discard.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/faulty_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/discard");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};

std::uint64_t host_bytes(const std::string& path) {
  struct stat facts{};
  REQUIRE(::stat(path.c_str(), &facts) == 0);
  return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

Extent write_some(Volume& volume, std::uint32_t blocks, int mark) {
  const auto extent = volume.allocate(blocks);
  REQUIRE(extent);
  const Buffer content = Buffer::take(std::size_t{extent->blocks} * kBlockBytes);
  std::memset(content.data(), mark, content.size());
  REQUIRE(volume.write_blocks(extent->first, content.bytes()));
  Transaction transaction;
  transaction.adopt(*extent);
  REQUIRE(volume.commit(transaction));
  return *extent;
}

bool holds(Volume& volume, Extent extent, int mark) {
  const Buffer content = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
  REQUIRE(volume.read_blocks(extent.first, content.bytes()));
  for (const std::byte b : content.bytes())
    if (b != static_cast<std::byte>(mark)) return false;
  return true;
}

void free_it(Volume& volume, Extent extent) {
  Transaction transaction;
  transaction.free(extent);
  REQUIRE(volume.commit(transaction, {.freeing = true}));
}

}  // namespace

TEST_CASE("ranges hold every long run of what was freed, and nothing else") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Rng rng(seed);
  for (int round = 0; round < 200; ++round) {
    constexpr std::uint64_t kBlocks = 4000;
    std::vector<bool> freed(kBlocks), covered(kBlocks);
    std::vector<Extent> extents;
    for (std::uint64_t at = rng() % 20; at < kBlocks;) {
      const auto blocks = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(1 + rng() % (rng() % 4 == 0 ? 400 : 20), kBlocks - at));
      extents.push_back({.first = BlockNo{at}, .blocks = blocks});
      for (std::uint32_t i = 0; i < blocks; ++i) freed[at + i] = true;
      at += blocks + (rng() % 2 == 0 ? 0 : rng() % 30);
    }
    std::ranges::shuffle(extents, rng);
    const DiscardLimits limits{.blocks_min = 1 + rng() % 30, .blocks_max = 32 + rng() % 300};
    for (const BlockRange& range : discard_ranges(extents, limits)) {
      REQUIRE(range.blocks > 0);
      REQUIRE(range.blocks <= limits.blocks_max);
      for (std::uint64_t b = range.first; b < range.first + range.blocks; ++b) {
        REQUIRE(freed[b]);
        REQUIRE(!covered[b]);
        covered[b] = true;
      }
    }
    for (std::uint64_t at = 0; at < kBlocks;) {
      std::uint64_t end = at;
      while (end < kBlocks && freed[end]) ++end;
      for (std::uint64_t b = at; b < end; ++b)
        REQUIRE(covered[b] == (end - at >= limits.blocks_min));
      at = end + 1;
    }
    CHECK(discard_ranges(extents, {.ranges_max = 2}).size() <= 2);
  }
  CHECK(discard_ranges({}, {}).empty());
}

TEST_CASE("the image shrinks after what was in it is freed, unless told otherwise") {
  set_log_level(Level::warn);
  for (const bool discard : {true, false}) {
    CAPTURE(discard);
    const TemporaryFile file(kVolumeBytes);
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, kFormat));
    auto volume = Volume::open(std::move(*device), {.discard = discard});
    REQUIRE(volume);
    std::vector<Extent> extents;
    // Small ones too, as of small files: only together they are worth a hole.
    for (unsigned i = 0; i < 1000; ++i) extents.push_back(write_some(**volume, 1 + i % 16, 'x'));
    REQUIRE((*volume)->checkpoint());
    const std::uint64_t full = host_bytes(file.path());
    const Extent kept = extents[500];
    for (const Extent& extent : extents)
      if (!(extent == kept)) free_it(**volume, extent);
    REQUIRE((*volume)->checkpoint());
    REQUIRE((*volume)->checkpoint());
    const std::uint64_t less = host_bytes(file.path());
    if (discard) CHECK(less + (std::uint64_t{28} << 20) < full);
    if (!discard) CHECK(less >= full);
    CHECK(holds(**volume, kept, 'x'));
    // What was a hole is used again.
    for (unsigned i = 0; i < 100; ++i) extents.push_back(write_some(**volume, 64, 'y'));
    for (unsigned i = 0; i < 100; ++i) CHECK(holds(**volume, extents[1000 + i], 'y'));
  }
  set_log_level(Level::info);
}

TEST_CASE("nothing that is in use is discarded, now or after a crash") {
  set_log_level(Level{3});
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Rng rng(seed);
  auto history = std::make_shared<DeviceHistory>();
  MemoryDevice fresh(kVolumeBytes);
  REQUIRE(Volume::format(fresh, kFormat));
  std::map<std::uint64_t, std::pair<Extent, int>> live;
  std::vector<std::map<std::uint64_t, std::pair<Extent, int>>> moments;  // at each note
  {
    auto volume = Volume::open(std::make_unique<FaultyDevice>(fresh.image(), history), {});
    REQUIRE(volume);
    for (unsigned step = 0; step < 400; ++step) {
      if (live.size() > 20 && rng() % 2 == 0) {
        auto victim = std::next(live.begin(), static_cast<long>(rng() % live.size()));
        free_it(**volume, victim->second.first);
        live.erase(victim);
      } else {
        const int mark = static_cast<int>(rng() % 200);
        const Extent extent =
            write_some(**volume, static_cast<std::uint32_t>(1 + rng() % 200), mark);
        live[static_cast<std::uint64_t>(extent.first)] = {extent, mark};
      }
      if (step % 20 != 19) continue;
      REQUIRE((*volume)->flush_data(FlushSite::file_content));
      REQUIRE((*volume)->checkpoint());
      moments.push_back(live);
      history->note(moments.size());
      for (const auto& [first, one] : live) REQUIRE(holds(**volume, one.first, one.second));
    }
  }
  const std::vector<DeviceEvent> events = history->take();
  const auto is_garbage = [](const DeviceEvent& event) {
    return event.kind == DeviceEvent::Kind::write && event.data.size() >= (64 << 10) &&
           event.data.find_first_not_of('\xdb') == std::string::npos;
  };
  CHECK(std::ranges::count_if(events, is_garbage) > 50);
  // A cut right after a checkpoint, with the discards of that checkpoint done or not: what the
  // moment held is there.
  CrashStates states(fresh.image(), events);
  for (std::size_t cut = 0; cut < events.size(); ++cut) {
    states.cut_after(cut);
    const bool at_discard = is_garbage(events[cut]) && (cut == 0 || !is_garbage(events[cut - 1]));
    if (!at_discard || states.newest_note() == 0) continue;
    auto volume = Volume::open(std::make_unique<MemoryDevice>(states.state(rng)), {});
    REQUIRE(volume);
    unsigned found = 0;
    // Those that live on until the next moment were not freed meanwhile.
    const auto& before = moments[states.newest_note() - 1];
    const auto& after = moments[std::min(moments.size() - 1, states.newest_note())];
    for (const auto& [first, one] : before)
      if (after.contains(first) && after.at(first) == one)
        found += holds(**volume, one.first, one.second) ? 1 : 1000;
    CHECK(found < 1000);
  }
  set_log_level(Level::info);
}

TEST_SUITE_END();
