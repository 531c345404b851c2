// SPDX-License-Identifier: Apache-2.0
// Goal: each sync policy keeps exactly its promise; batches close when they should; the ring goes
// round, and holds writers back when it is full.
// Method: a device that remembers writes and flushes, cut after what was promised with everything
// unflushed dropped; frames as they stand in the history.
#include "storage/wal.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "base/log.h"
#include "storage/faulty_device.h"
#include "storage/health.h"
#include "storage/superblock_format.h"
#include "tests/storage/volume_tools.h"
#include "tests/support/model_volume.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/wal");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
using Image = MemoryDevice::Image;

const Image& formatted() {
  static const Image image = [] {
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    return disk.image();
  }();
  return image;
}

// What a test sees and does of a device meanwhile.
struct Hands {
  std::atomic<unsigned> flushes = 0;
  std::atomic<bool> held = false;  // writes behind the log wait: no checkpoint ends
};

class HandledDevice final : public BlockDevice {
 public:
  HandledDevice(std::shared_ptr<DeviceHistory> history, Hands& hands)
      : device_(formatted(), std::move(history)), hands_(hands) {}
  std::uint64_t size_bytes() const override { return device_.size_bytes(); }
  Result<> read(std::span<const DeviceRead> batch) override { return device_.read(batch); }
  Result<> write(std::span<const DeviceWrite> batch) override {
    if (batch.front().offset >= kLogOffset + kFormat.log_bytes) hands_.held.wait(true);
    return device_.write(batch);
  }
  Result<> flush(FlushSite site) override {
    Result<> done = device_.flush(site);
    ++hands_.flushes;
    return done;
  }
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override {
    Result<> done = device_.write_flushed(write, site);
    ++hands_.flushes;
    return done;
  }
  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    device_.discard(offset, bytes);
  }

 private:
  FaultyDevice device_;
  Hands& hands_;
};

struct Run {
  std::shared_ptr<DeviceHistory> history = std::make_shared<DeviceHistory>();
  Hands hands;
  std::unique_ptr<Volume> open(VolumeOptions options) {
    auto volume = Volume::open(std::make_unique<HandledDevice>(history, hands), options);
    REQUIRE(volume);
    return std::move(*volume);
  }
};

Lsn put(Volume& volume, unsigned number, std::size_t bytes = 20) {
  Transaction transaction;
  transaction.put(Tree::meta, Key().u32(number), as_bytes(std::string(bytes, 'v')));
  const auto lsn = volume.commit(transaction);
  REQUIRE(lsn);
  return *lsn;
}

// What the power leaves at the end of a history, as little as it may.
std::size_t pairs_after_cut(const std::vector<DeviceEvent>& events) {
  std::size_t fewest = ~std::size_t{0};
  Rng rng(3);
  for (unsigned i = 0; i < 6; ++i) {
    CrashStates states(formatted(), events);
    states.cut_after(events.size());
    auto volume = Volume::open(std::make_unique<MemoryDevice>(states.state(rng)), {});
    REQUIRE(volume);
    std::size_t pairs = 0;
    REQUIRE((*volume)->scan(Tree::meta, {}, {}, [&](Bytes, Bytes) { return ++pairs > 0; }));
    fewest = std::min(fewest, pairs);
  }
  return fewest;
}

std::vector<FrameHeader> frames_of(const std::vector<DeviceEvent>& events) {
  std::vector<FrameHeader> frames;
  for (const DeviceEvent& event : events) {
    if (event.kind != DeviceEvent::Kind::write || event.offset < kLogOffset ||
        event.offset >= kLogOffset + kFormat.log_bytes)
      continue;
    FrameHeader header;
    std::memcpy(&header, event.data.data(), sizeof header);
    if (header.kind == static_cast<std::uint16_t>(FrameKind::transactions))
      frames.push_back(header);
  }
  return frames;
}

}  // namespace

TEST_CASE("sync=strict: what commit() returned for survives, though nobody asked for a sync") {
  Run run;
  {
    auto volume = run.open({.sync = SyncPolicy::strict});
    for (unsigned i = 0; i < 5; ++i) put(*volume, i);
  }
  CHECK(pairs_after_cut(run.history->take()) == 5);
}

TEST_CASE("sync=fsync: a sync is one flush for all before it; they survive") {
  Run run;
  {
    auto volume = run.open({});
    const unsigned before = run.hands.flushes;
    Lsn last{};
    for (unsigned i = 0; i < 64; ++i) last = put(*volume, i);
    REQUIRE(volume->sync(last));
    const unsigned after = run.hands.flushes;
    CHECK(after > before);
    CHECK(after < before + 64);
    REQUIRE(volume->sync(last));
    CHECK(run.hands.flushes == after);
  }
  CHECK(pairs_after_cut(run.history->take()) == 64);
}

TEST_CASE("sync=interval: sync() does not wait, and the flush comes by itself") {
  Run run;
  {
    auto volume = run.open({.sync = SyncPolicy::interval, .interval_ms = 5});
    const unsigned before = run.hands.flushes;
    REQUIRE(volume->sync(put(*volume, 1)));
    while (run.hands.flushes == before) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(pairs_after_cut(run.history->take()) == 1);
}

TEST_CASE("sync=none: nothing is flushed before a checkpoint or close()") {
  Run run;
  {
    auto volume = run.open({.sync = SyncPolicy::none});
    const unsigned before = run.hands.flushes;
    for (unsigned i = 0; i < 3; ++i) REQUIRE(volume->sync(put(*volume, i)));
    // Longer than a batch lives and than the flush of the other policies takes to come.
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    CHECK(run.hands.flushes == before);
    REQUIRE(volume->close());
  }
  CHECK(pairs_after_cut(run.history->take()) == 3);
}

TEST_CASE("a batch has at most 1000 transactions and at most 1 MiB") {
  Run run;
  {
    auto volume = run.open({});
    Lsn last{};
    for (unsigned i = 0; i < 2500; ++i) last = put(*volume, i);
    for (unsigned i = 0; i < 800; ++i) last = put(*volume, i, 1000);
    REQUIRE(volume->sync(last));
  }
  std::uint32_t sum = 0;
  for (const FrameHeader& frame : frames_of(run.history->take())) {
    CHECK(frame.transactions <= 1000);
    CHECK(frame.frame_bytes <= kFrameBytesMax);
    sum += frame.transactions;
  }
  CHECK(sum == 3300);
}

TEST_CASE("threads that wait for each other's batches are told nothing too early") {
  Run run;
  constexpr unsigned kThreads = 4, kEach = 60;
  std::atomic<unsigned> told = 0;
  {
    auto volume = run.open({});
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (unsigned i = 0; i < kEach; ++i) {
          Transaction transaction;
          transaction.put(Tree::meta, Key().u32(t * kEach + i), as_bytes("v"));
          const auto lsn = volume->commit(transaction);
          // Half of them wait, half of them are called.
          if (t % 2 == 0)
            told += volume->sync(*lsn).has_value() ? 1 : 0;
          else
            volume->sync(*lsn, [&](Result<> done) { told += done.has_value() ? 1 : 0; });
        }
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(volume->sync(volume->last_lsn()));
    while (told < kThreads * kEach) std::this_thread::yield();
  }
  CHECK(pairs_after_cut(run.history->take()) == kThreads * kEach);
}

TEST_CASE("who waits for the device is told when the volume can no longer be written") {
  set_log_level(Level{3});
  MemoryDevice device(kVolumeBytes);
  Health health;
  std::atomic<bool> held = true, holds = false;
  Wal wal(device, health, {.ring = {.bytes = std::uint64_t{64} << 20, .seed = 7}, .epoch = 1});
  const std::string record(60'000, 'r');
  // The committer is in a callback, so batches gather.
  wal.sync(*wal.append(as_bytes(record)), [&](Result<>) {
    holds = true;
    holds.notify_all();
    held.wait(true);
  });
  holds.wait(false);
  Result<Lsn> last = Lsn{};
  while (last) last = wal.append(as_bytes(record));
  REQUIRE(last.error().code == EBUSY);
  std::atomic<bool> waits = false;
  std::thread waiting([&] {
    waits = true;
    wal.wait_for_device();
  });
  while (!waits) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it sleeps by now, most likely
  health.end_writing({.code = EIO, .what = "of somebody else"});
  held = false;
  held.notify_all();
  waiting.join();
  CHECK(wal.append(as_bytes(record)).error().code == EROFS);
  set_log_level(Level::info);
}

TEST_CASE("a full ring holds writers back until a checkpoint, goes round, and loses nothing") {
  const unsigned seed = 21;
  CAPTURE(seed);
  set_log_level(Level::warn);
  Run run;
  ModelVolume model(1 << 30);
  Rng rng(seed);
  unsigned refused = 0;
  {
    auto volume = run.open({.cache_bytes = std::size_t{16} << 20});
    run.hands.held = true;
    // Five laps.
    for (unsigned i = 0; i < 2600; ++i) {
      Transaction mine, models;
      const std::string value = random_bytes(rng, 4000);
      const Key key = Key().u32(static_cast<std::uint32_t>(rng() % 300));
      mine.put(Tree::meta, key, as_bytes(value));
      models.put(Tree::meta, key, as_bytes(value));
      REQUIRE(model.commit(models));
      auto lsn = volume->commit(mine, {.wait = Wait::never});
      if (!lsn) {
        CHECK(lsn.error().code == EAGAIN);
        CHECK_FALSE(mine.empty());
        ++refused;
        run.hands.held = false;
        run.hands.held.notify_all();
        REQUIRE(volume->commit(mine));
      }
    }
    CHECK(same_content(*volume, model));
    REQUIRE(volume->sync(volume->last_lsn()));
  }
  CHECK(refused > 0);
  const std::vector<DeviceEvent> events = run.history->take();
  std::uint64_t end = 0;
  for (const FrameHeader& frame : frames_of(events))
    end = std::max<std::uint64_t>(end, frame.position + frame.frame_bytes);
  CHECK(end > 4 * kFormat.log_bytes);
  CrashStates states(formatted(), events);
  states.cut_after(events.size());
  auto volume = Volume::open(std::make_unique<MemoryDevice>(states.state(rng)), {});
  REQUIRE(volume);
  CHECK(same_content(**volume, model));
  set_log_level(Level::info);
}

TEST_SUITE_END();
