// SPDX-License-Identifier: Apache-2.0
// Goal: background waits for foreground, keeps its share, and is bounded; nothing is lost or done
// twice. Method: a device whose transfers end when the test says so; no clock decides anything.
#include "storage/scheduled_device.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/buffer_pool.h"
#include "storage/memory_device.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/scheduled_device");

namespace {

constexpr std::uint64_t kNever = ~std::uint64_t{0} / 2;  // "lately" for ever

// Counts what is in flight; holds calls back until they are let go one by one.
class GateDevice final : public BlockDevice {
 public:
  struct Seen {
    std::atomic<unsigned> foreground{0}, background{0};  // calls in flight
    std::atomic<unsigned> background_parts{0};           // in flight
    std::atomic<unsigned> background_parts_max{0};
    std::atomic<unsigned> background_parts_all{0};
    std::atomic<int> may_end_foreground{0}, may_end_background{0};
    std::atomic<bool> open{false};  // no gate any more
  };
  explicit GateDevice(Seen& seen) : seen_(seen) {}
  std::uint64_t size_bytes() const override { return memory_.size_bytes(); }
  Result<> read(std::span<const DeviceRead> batch) override {
    pass(batch.size());
    return memory_.read(batch);
  }
  Result<> write(std::span<const DeviceWrite> batch) override {
    pass(batch.size());
    return memory_.write(batch);
  }
  Result<> flush(FlushSite) override {
    pass(0);
    return {};
  }
  Result<> write_flushed(const DeviceWrite& write, FlushSite) override {
    return memory_.write(std::span(&write, 1));
  }
  void discard(std::uint64_t, std::uint64_t) override {}

 private:
  void pass(std::size_t parts) {
    const bool foreground = IoClassScope::current() == IoClass::foreground;
    auto& calls = foreground ? seen_.foreground : seen_.background;
    auto& may_end = foreground ? seen_.may_end_foreground : seen_.may_end_background;
    const auto n = static_cast<unsigned>(foreground ? 0 : parts);
    seen_.background_parts_all += n;
    const unsigned now = seen_.background_parts += n;
    for (unsigned max = seen_.background_parts_max;
         max < now && !seen_.background_parts_max.compare_exchange_weak(max, now);) {
    }
    ++calls;
    while (!seen_.open) {
      int left = may_end;
      if (left > 0 && may_end.compare_exchange_weak(left, left - 1)) break;
      std::this_thread::yield();
    }
    --calls;
    seen_.background_parts -= n;
  }
  Seen& seen_;
  MemoryDevice memory_{std::uint64_t{64} << 20};
};

template <class Condition>
void wait_for(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

// One call of a class on a thread of its own: `blocks` pieces of 4 KiB.
std::thread start(BlockDevice& device, IoClass io_class, unsigned blocks) {
  return std::thread([&device, io_class, blocks] {
    const IoClassScope scope(io_class);
    const Buffer memory = Buffer::take(kBlockBytes);
    std::memset(memory.data(), 1, memory.size());
    std::vector<DeviceWrite> writes;
    for (unsigned i = 0; i < blocks; ++i)
      writes.push_back({.offset = std::uint64_t{i} * kBlockBytes, .from = memory.bytes()});
    CHECK(device.write(writes));
  });
}

}  // namespace

TEST_CASE("background waits for the foreground in flight, and goes on with what that has earned") {
  GateDevice::Seen seen;
  ScheduledDevice device(std::make_unique<GateDevice>(seen), {.lately_ns = kNever});
  std::thread first = start(device, IoClass::foreground, 4);
  wait_for([&] { return seen.foreground == 1; });
  std::thread second = start(device, IoClass::foreground, 1);
  wait_for([&] { return seen.foreground == 2; });
  std::thread background = start(device, IoClass::background, 20);
  wait_for([&] { return device.now().held == 1; });
  CHECK(seen.background == 0);
  CHECK(device.now().background == 0);
  // Four transfers end and earn two, though foreground is still in flight.
  seen.may_end_foreground = 1;  // whichever of the two it is
  wait_for([&] { return device.now().foreground < 5; });
  const bool small_ended = device.now().foreground == 4;
  if (small_ended) {
    // Half a transfer is none.
    wait_for([&] { return device.now().held == 1; });
    CHECK(seen.background == 0);
  } else {
    wait_for([&] { return seen.background == 1; });
    CHECK(seen.background_parts == 2);
    seen.may_end_background = 1;
    wait_for([&] { return device.now().held == 1; });
    CHECK(seen.background_parts_all == 2);
  }
  seen.open = true;
  first.join();
  second.join();
  background.join();
  CHECK(seen.background_parts_all == 20);
}

TEST_CASE("with foreground lately but none in flight, background keeps to the small share") {
  GateDevice::Seen seen;
  ScheduledDevice device(std::make_unique<GateDevice>(seen),
                         {.quiet_max = 32, .busy_max = 5, .lately_ns = kNever});
  seen.may_end_foreground = 1;
  start(device, IoClass::foreground, 1).join();
  std::thread one = start(device, IoClass::background, 100);
  std::thread two = start(device, IoClass::background, 100);
  wait_for([&] { return device.now().held == 1 && seen.background == 1; });
  CHECK(seen.background_parts == 5);
  seen.open = true;
  one.join();
  two.join();
  CHECK(seen.background_parts_max <= 5);
  CHECK(seen.background_parts_all == 200);
}

TEST_CASE("alone, background has the large share, and never more") {
  GateDevice::Seen seen;
  ScheduledDevice device(std::make_unique<GateDevice>(seen), {.quiet_max = 32, .lately_ns = 0});
  std::thread one = start(device, IoClass::background, 100);
  wait_for([&] { return seen.background == 1; });
  CHECK(seen.background_parts == 32);
  // Foreground does not wait for any of it.
  seen.may_end_foreground = 1;
  start(device, IoClass::foreground, 1).join();
  CHECK(seen.background_parts == 32);
  seen.open = true;
  one.join();
  CHECK(seen.background_parts_max == 32);
  CHECK(seen.background_parts_all == 100);
}

TEST_CASE("background flushes and large transfers are never refused for good") {
  GateDevice::Seen seen;
  seen.open = true;
  ScheduledDevice device(std::make_unique<GateDevice>(seen),
                         {.quiet_max = 2, .busy_max = 1, .lately_ns = 0});
  const IoClassScope scope(IoClass::background);
  CHECK(IoClassScope::current() == IoClass::background);
  const Buffer large = Buffer::take(std::size_t{1} << 20);  // costs eight
  std::memset(large.data(), 7, large.size());
  const DeviceWrite writes[] = {{.offset = 0, .from = large.bytes()},
                                {.offset = large.size(), .from = large.bytes()}};
  CHECK(device.write(writes));
  CHECK(device.flush(FlushSite::checkpoint_pages));
  const Buffer back = Buffer::take(std::size_t{1} << 20);
  CHECK(static_cast<BlockDevice&>(device).read(large.size(), back.bytes()));
  CHECK(std::memcmp(back.data(), large.data(), back.size()) == 0);
  CHECK(device.now().background == 0);
}

TEST_CASE("random calls of both classes on many threads all end, with everything in its place") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  GateDevice::Seen seen;
  seen.open = true;
  ScheduledDevice device(std::make_unique<GateDevice>(seen), {.quiet_max = 16, .busy_max = 2});
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  constexpr unsigned kThreads = 6, kBlocks = 64;
  for (unsigned t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 rng(seed + t);
      const IoClassScope scope(t % 2 == 0 ? IoClass::background : IoClass::foreground);
      const Buffer memory = Buffer::take(kBlocks * kBlockBytes);
      for (int round = 0; round < 200; ++round) {
        std::vector<DeviceWrite> writes;
        std::vector<DeviceRead> reads;
        const int mark = static_cast<int>(rng() % 256);
        std::memset(memory.data(), mark, memory.size());
        for (unsigned i = 0, count = 1 + rng() % kBlocks; i < count; ++i) {
          const std::uint64_t offset = (std::uint64_t{t} * kBlocks + i) * kBlockBytes;
          const MutableBytes part = memory.bytes().subspan(i * kBlockBytes, kBlockBytes);
          writes.push_back({.offset = offset, .from = part});
          reads.push_back({.offset = offset, .into = part});
        }
        if (!device.write(writes)) ++wrong;
        std::memset(memory.data(), 0, reads.size() * kBlockBytes);
        if (!device.read(reads)) ++wrong;
        for (const std::byte b : memory.bytes())
          if (b != static_cast<std::byte>(mark)) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(device.now().background == 0);
  CHECK(device.now().foreground == 0);
  CHECK(seen.background_parts_max <= 16);
}

TEST_SUITE_END();
