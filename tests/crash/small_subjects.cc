// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/small_subjects.h"

#include <doctest/doctest.h>

#include "base/text.h"
#include "search/space_store.h"
#include "storage/volume.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
constexpr VolumeOptions kOptions{.cache_bytes = std::size_t{4} << 20};
constexpr std::uint32_t kDimension = 16;

MemoryDevice::Image empty_volume() {
  MemoryDevice disk(kVolumeBytes);
  REQUIRE(Volume::format(disk, kFormat));
  return disk.image();
}

std::uint64_t lsn_of(Volume& volume) {
  return static_cast<std::uint64_t>(volume.last_lsn());
}

const auto ignore_words = [](Bytes) -> Result<> { return {}; };

struct Loaded {
  SpaceStore store;
  std::unique_ptr<Space> space;
};

// ENOENT: the space was never made.
Result<Loaded> load(Volume& volume) {
  const Key key = search_key::space(kRootIno, SpaceKind::user);
  std::string value;
  VEXFS_CHECK(volume.get(Tree::space, key, value));
  VEXFS_TRY(SpaceStore store, SpaceStore::decode(volume, key, as_bytes(value)));
  const std::uint32_t counted = store.saved();
  auto space = std::make_unique<Space>(store.identity());
  VEXFS_CHECK(store.load(*space, ignore_words));
  if (store.saved() != counted) return fail(EUCLEAN, "a piece was dropped");
  return Loaded{.store = std::move(store), .space = std::move(space)};
}

float value_of(std::uint32_t slot) {
  return static_cast<float>(slot) + 0.5F;
}

}  // namespace

MemoryDevice::Image FormatSubject::start(Rng&) {
  return MemoryDevice(kVolumeBytes).image();
}

std::string FormatSubject::live(std::unique_ptr<BlockDevice> device, DeviceHistory& history, Rng&) {
  // What was promised once is not written over.
  if (Volume::looks_like_volume(*device).value_or(true) && read_volume_info(*device)) return {};
  if (auto made = Volume::format(*device, kFormat); !made) return made.error().what;
  history.note(1);
  return {};
}

Verdict FormatSubject::judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                             const Circumstances& circumstances) {
  auto volume = Volume::open(std::move(device), kOptions);
  if (circumstances.promised == 0) return {.fault = {}, .lsn = 0};
  if (!volume) return {.fault = format("open: {}", volume.error().what), .lsn = 0};
  if ((*volume)->read_only()) return {.fault = "read-only", .lsn = 0};
  history.note(1);
  return {.fault = {}, .lsn = 1};
}

MemoryDevice::Image SpaceSubject::start(Rng&) {
  return empty_volume();
}

std::string SpaceSubject::live(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                               Rng& rng) {
  auto opened = Volume::open(std::move(device), kOptions);
  if (!opened) return format("open: {}", opened.error().what);
  Volume& volume = **opened;
  auto loaded = load(volume);
  if (!loaded) {
    if (loaded.error().code != ENOENT) return loaded.error().what;
    Transaction made;
    const SpaceIdentity identity{
        .id = 1, .collection = kRootIno, .dimension = kDimension, .metric = Metric::l2};
    made.put(Tree::space, search_key::space(kRootIno, SpaceKind::user),
             as_bytes(SpaceStore::encode(identity, 0, 0, 0)));
    REQUIRE(volume.commit(made));
    loaded = load(volume);
    if (!loaded) return loaded.error().what;
  }
  for (unsigned round = 0; round < 4; ++round) {
    for (std::uint64_t rows = 1 + rng() % 300; rows > 0; --rows) {
      const std::uint32_t slot = loaded->space->size();
      const std::vector<float> values(kDimension, value_of(slot));
      REQUIRE(loaded->space->append({.ino = Ino{slot + 2}, .check = slot, .values = values}));
    }
    REQUIRE(loaded->store.save(*loaded->space, nullptr, loaded->space->size()));
    if (rng() % 2 == 0) REQUIRE(volume.sync(volume.last_lsn()));
    if (rng() % 3 == 0) REQUIRE(volume.checkpoint());
  }
  REQUIRE(volume.sync(volume.last_lsn()));
  history.note(lsn_of(volume));
  return {};
}

Verdict SpaceSubject::judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                            const Circumstances& circumstances) {
  auto opened = Volume::open(std::move(device), kOptions);
  if (!opened) return {.fault = format("open: {}", opened.error().what), .lsn = 0};
  Volume& volume = **opened;
  const std::uint64_t lsn = lsn_of(volume);
  if (volume.read_only() || lsn < circumstances.promised)
    return {.fault = format("lsn {} < {} promised", lsn, circumstances.promised), .lsn = lsn};
  const auto loaded = load(volume);
  if (!loaded && loaded.error().code != ENOENT) return {.fault = loaded.error().what, .lsn = lsn};
  for (Slot slot = 0; loaded && slot < loaded->space->size(); ++slot)
    if (loaded->space->columns().check(slot) != slot ||
        loaded->space->row(slot)[kDimension - 1] != value_of(slot))
      return {.fault = format("row {} is another", slot), .lsn = lsn};
  history.note(lsn);
  return {.fault = {}, .lsn = lsn};
}

}  // namespace vexfs
