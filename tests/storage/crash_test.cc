// SPDX-License-Identifier: Apache-2.0
// Goal: whatever moment the power goes, a volume comes back with everything that was synced, in
// a state that the volume had after one of its transactions.
// Method: a device that remembers every write and flush; random transactions, syncs, data and
// checkpoints from a printed seed; the cut after every event, with unflushed sectors dropped,
// torn and reordered; opened again, compared with the model at the same LSN; cut again during
// recovery. Controls with a lying device show that the method sees what it looks for.
#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/faulty_device.h"
#include "tests/storage/volume_tools.h"
#include "tests/support/model_volume.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/crash");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
constexpr VolumeOptions kOptions{.cache_bytes = std::size_t{4} << 20};

// What a run begins with: an empty volume.
struct Start {
  MemoryDevice::Image image;
  std::uint64_t lsn = 0;
};

const Start& fresh() {
  static const Start start = [] {
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    return Start{.image = disk.image(), .lsn = 0};
  }();
  return start;
}

// The same, but its log has come so near to the end of the ring that it will go round.
const Start& worn() {
  static const Start start = [] {
    auto history = std::make_shared<DeviceHistory>();
    Start made;
    {
      auto volume = Volume::open(std::make_unique<FaultyDevice>(fresh().image, history), kOptions);
      REQUIRE(volume);
      const auto commit_and_sync = [&](unsigned pairs, bool erase) {
        Transaction transaction;
        for (unsigned i = 0; i < pairs; ++i)
          if (erase)
            transaction.erase(Tree::meta, Key().u32(i));
          else
            transaction.put(Tree::meta, Key().u32(i), as_bytes(std::string(4000, 'w')));
        made.lsn = static_cast<std::uint64_t>((*volume)->commit(transaction).value());
        REQUIRE((*volume)->sync(Lsn{made.lsn}));
      };
      for (unsigned i = 0; i < 10; ++i) commit_and_sync(49, false);
      commit_and_sync(49, true);
      REQUIRE((*volume)->close());
    }
    made.image = fresh().image;
    for (const DeviceEvent& event : history->take())
      if (event.kind == DeviceEvent::Kind::write)
        MemoryDevice::write_image(made.image, event.offset, as_bytes(event.data));
    return made;
  }();
  return start;
}

// Errors in the log are what the controls are made to produce.
struct QuietLog {
  QuietLog() { set_log_level(Level{3}); }
  ~QuietLog() { set_log_level(Level::info); }
};

// 0 when it cannot be read.
std::uint64_t content_hash(Volume& volume) {
  const auto content = content_of(volume);
  return content ? hash64(as_bytes(*content)) : 0;
}

// Tree::extent keeps first block -> count and hash of the data that the test wrote there.
Key extent_key(Extent extent) {
  return Key().u64(static_cast<std::uint64_t>(extent.first));
}

// A volume under random work, and what it was after each LSN.
class Workload {
 public:
  Workload(unsigned seed, Volume& volume, DeviceHistory& history)
      : rng_(seed),
        volume_(volume),
        history_(history),
        first_lsn_(static_cast<std::uint64_t>(volume.last_lsn())) {
    hashes_.push_back(content_hash(model_));
  }
  void run(unsigned steps) {
    for (unsigned i = 0; i < steps; ++i) step();
  }
  std::vector<std::uint64_t> hashes() const { return hashes_; }  // by LSN, from the first on

 private:
  void step() {
    switch (rng_() % 12) {
      case 0:
        REQUIRE(volume_.checkpoint());
        history_.note(static_cast<std::uint64_t>(volume_.last_lsn()));
        break;
      case 1:
      case 2:
        REQUIRE(volume_.sync(volume_.last_lsn()));
        history_.note(static_cast<std::uint64_t>(volume_.last_lsn()));
        break;
      case 3:
      case 4:
        write_data();
        break;
      case 5:
        free_data();
        break;
      default: {
        Transaction mine, models;
        fill_random(rng_, mine, models, {.keys = 120, .records_max = 6});
        commit(mine, models);
      }
    }
  }
  void commit(Transaction& mine, Transaction& models) {
    REQUIRE(volume_.commit(mine));
    REQUIRE(model_.commit(models));
    hashes_.push_back(content_hash(model_));
    REQUIRE(first_lsn_ + hashes_.size() - 1 == static_cast<std::uint64_t>(volume_.last_lsn()));
  }
  void write_data() {
    const auto extent = volume_.allocate(static_cast<std::uint32_t>(1 + rng_() % 12));
    REQUIRE(extent);
    const Buffer data = Buffer::take(std::size_t{extent->blocks} * kBlockBytes);
    for (std::byte& b : data.bytes()) b = static_cast<std::byte>(rng_());
    REQUIRE(volume_.write_blocks(extent->first, data.bytes()));
    REQUIRE(volume_.flush_data(FlushSite::file_content));
    const Key value = Key().u32(extent->blocks).u64(hash64(data.bytes()));
    Transaction mine, models;
    mine.adopt(*extent);
    for (Transaction* each : {&mine, &models}) each->put(Tree::extent, extent_key(*extent), value);
    commit(mine, models);
    live_.push_back(*extent);
  }
  void free_data() {
    if (live_.empty()) return;
    std::swap(live_[rng_() % live_.size()], live_.back());
    const Extent extent = live_.back();
    live_.pop_back();
    Transaction mine, models;
    mine.free(extent);
    for (Transaction* each : {&mine, &models}) each->erase(Tree::extent, extent_key(extent));
    commit(mine, models);
  }

  Rng rng_;
  Volume& volume_;
  DeviceHistory& history_;
  const std::uint64_t first_lsn_;
  ModelVolume model_{1 << 30};
  std::vector<Extent> live_;
  std::vector<std::uint64_t> hashes_;
};

// Whether every extent that the volume names holds what was written there.
bool data_holds(Volume& volume) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto scanned = volume.scan(Tree::extent, {}, {}, [&](Bytes key, Bytes value) {
    pairs.emplace_back(as_text(key), as_text(value));
    return true;
  });
  if (!scanned) return false;
  for (const auto& [key, value] : pairs) {
    const BlockNo first{KeyReader(as_bytes(key)).u64()};
    KeyReader reader(as_bytes(value));
    const Buffer data = Buffer::take(std::size_t{reader.u32()} * kBlockBytes);
    if (!volume.read_blocks(first, data.bytes()) || hash64(data.bytes()) != reader.u64())
      return false;
  }
  return true;
}

// Takes everything out of a volume: then all of its space must be free again.
bool drains(Volume& volume) {
  for (unsigned t = 0; t < kTreeCount; ++t) {
    const auto tree = Tree{static_cast<std::uint8_t>(t)};
    if (tree == Tree::free_space) continue;
    std::vector<std::pair<std::string, std::string>> pairs;
    if (!volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
          pairs.emplace_back(as_text(key), as_text(value));
          return true;
        }))
      return false;
    for (const auto& [key, value] : pairs) {
      Transaction transaction;
      transaction.erase(tree, as_bytes(key));
      if (tree == Tree::extent)
        transaction.free({.first = BlockNo{KeyReader(as_bytes(key)).u64()},
                          .blocks = KeyReader(as_bytes(value)).u32()});
      if (!volume.commit(transaction, {.freeing = true})) return false;
    }
  }
  static const std::uint64_t all = [] {
    auto empty = Volume::open(std::make_unique<MemoryDevice>(fresh().image), kOptions);
    return (*empty)->space().free;
  }();
  return volume.checkpoint() && volume.space().free == all;
}

struct Verdict {
  std::string fault;  // empty: as promised
  std::uint64_t lsn = 0;
};

// What a volume was after each LSN from `first` on.
struct Moments {
  std::uint64_t first = 0;
  std::vector<std::uint64_t> hashes;
};

Verdict judge(Volume& volume, const Moments& moments, std::uint64_t promised) {
  const auto lsn = static_cast<std::uint64_t>(volume.last_lsn());
  if (volume.read_only()) return {.fault = "read-only", .lsn = lsn};
  if (lsn < promised) return {.fault = format("lsn {} < {} promised", lsn, promised), .lsn = lsn};
  if (lsn < moments.first || lsn - moments.first >= moments.hashes.size())
    return {.fault = "an lsn that never was", .lsn = lsn};
  if (!volume.scan(Tree::free_space, {}, {}, [](Bytes, Bytes) { return true; }))
    return {.fault = "the map cannot be read", .lsn = lsn};
  if (content_hash(volume) != moments.hashes[lsn - moments.first])
    return {.fault = "content of no moment", .lsn = lsn};
  if (!data_holds(volume)) return {.fault = "data of no moment", .lsn = lsn};
  return {.fault = {}, .lsn = lsn};
}

struct Simulation {
  std::size_t states = 0;
  std::size_t violations = 0;
  std::string first;  // violation
};

struct SimulationOptions {
  unsigned steps = 45;
  unsigned states_per_cut = 2;
  DeviceFaults faults;
};

class Simulator {
 public:
  Simulator(unsigned seed, SimulationOptions options)
      : seed_(seed), options_(options), start_(seed % 2 == 0 ? worn() : fresh()) {}

  Simulation run() {
    auto history = std::make_shared<DeviceHistory>();
    {
      auto volume = Volume::open(
          std::make_unique<FaultyDevice>(start_.image, history, options_.faults), kOptions);
      REQUIRE(volume);
      Workload work(seed_, **volume, *history);
      work.run(options_.steps);
      moments_ = {.first = start_.lsn, .hashes = work.hashes()};
    }
    const std::vector<DeviceEvent> events = history->take();
    CrashStates states(start_.image, events);
    for (std::size_t cut = 0; cut <= events.size(); ++cut) {
      states.cut_after(cut);
      for (unsigned i = 0; i < options_.states_per_cut; ++i)
        check(states.state(rng_), states.newest_note(), cut);
    }
    return result_;
  }

 private:
  void check(MemoryDevice::Image image, std::uint64_t promised, std::size_t cut) {
    ++result_.states;
    auto history = std::make_shared<DeviceHistory>();
    Verdict verdict = open_and_judge(image, history, promised);
    // Every fourth time the power goes again while, or just after, the volume recovers.
    if (verdict.fault.empty() && result_.states % 4 == 0) {
      const std::vector<DeviceEvent> events = history->take();
      CrashStates again(image, events);
      again.cut_after(rng_() % (events.size() + 1));
      auto unused = std::make_shared<DeviceHistory>();
      const std::uint64_t seen = again.newest_note();
      verdict = open_and_judge(again.state(rng_), unused, std::max(promised, seen));
    }
    if (verdict.fault.empty()) return;
    ++result_.violations;
    if (result_.first.empty())
      result_.first = format("seed {} cut {} lsn {}: {}", seed_, cut, verdict.lsn, verdict.fault);
  }
  Verdict open_and_judge(const MemoryDevice::Image& image,
                         const std::shared_ptr<DeviceHistory>& history, std::uint64_t promised) {
    auto volume = Volume::open(std::make_unique<FaultyDevice>(image, history), kOptions);
    if (!volume) return {.fault = format("open: {}", volume.error().what)};
    Verdict verdict = judge(**volume, moments_, promised);
    if (!verdict.fault.empty()) return verdict;
    // What recovery has shown is durable.
    history->note(verdict.lsn);
    // A checkpoint must leave the same state; half of the time, for the second cut.
    if (result_.states % 8 == 0 && !(*volume)->checkpoint())
      return {.fault = "no checkpoint", .lsn = verdict.lsn};
    if (result_.states % 16 == 1 && !drains(**volume))
      return {.fault = "space was lost", .lsn = verdict.lsn};
    if (result_.states % 8 == 0 && !(*volume)->close())
      return {.fault = "no close", .lsn = verdict.lsn};
    return verdict;
  }

  const unsigned seed_;
  const SimulationOptions options_;
  const Start& start_;
  Rng rng_{seed_ + 1000};
  Moments moments_;
  Simulation result_;
};

}  // namespace

TEST_CASE("every crash leaves what was synced, in the order of transactions") {
  const QuietLog quiet;
  const char* const wanted = std::getenv("VEXFS_CRASH_SEEDS");
  const unsigned seeds = wanted != nullptr ? static_cast<unsigned>(std::atoi(wanted)) : 32;
  std::size_t states = 0;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    const Simulation simulation = Simulator(seed, {}).run();
    states += simulation.states;
    CHECK_MESSAGE(simulation.violations == 0, simulation.first);
  }
  MESSAGE("crash states: ", states);
}

TEST_CASE("control: the simulator sees a device that lies about its flushes") {
  const QuietLog quiet;
  DeviceFaults faults;
  SUBCASE("of the log") {
    faults.skipped = FlushSite::log_batch;
  }
  SUBCASE("of data") {
    faults.skipped = FlushSite::file_content;
  }
  SUBCASE("of checkpoints") {
    faults.skipped = FlushSite::checkpoint_pages;
  }
  std::size_t violations = 0;
  for (unsigned seed = 1; seed <= 6 && violations == 0; ++seed)
    violations += Simulator(seed, {.faults = faults}).run().violations;
  CHECK(violations > 0);
}

TEST_SUITE_END();
