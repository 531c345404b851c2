// SPDX-License-Identifier: Apache-2.0
// FaultyDevice: a memory device that fails when told, and whose history says what a power cut
// at any moment may leave behind.
//
// Fault model: a write that no flush has followed may be there, be absent, or be torn at any
// 512-byte border, each independently and in any order; everything before a flush that has
// returned is there. A transfer that fails has changed nothing, or half of what it should. A
// skipped flush returns and does nothing. Threads: any; the history outlives the device that a
// volume owns.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/memory_device.h"

namespace vexfs {

// What happened to a device, in order. `note` is the test's own.
struct DeviceEvent {
  enum class Kind : std::uint8_t { write, flush, note };
  Kind kind{};
  std::uint64_t offset = 0;  // write
  std::string data;          // write
  std::uint64_t note = 0;
};

class DeviceHistory {
 public:
  void add(DeviceEvent event);
  void note(std::uint64_t note);
  std::size_t size() const;
  std::vector<DeviceEvent> take();  // no device may be writing
  // Transfers that have failed.
  void count_fault() { faults_.fetch_add(1); }
  std::uint64_t faults() const { return faults_.load(); }

 private:
  mutable Mutex mutex_{Rank::leaf};
  std::vector<DeviceEvent> events_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> faults_{0};
};

// Which transfer fails: the number of its kind, 1 is the first; 0: none.
struct DeviceFaults {
  std::uint64_t read = 0, write = 0, flush = 0;  // a batch counts as one
  int code = EIO;
  bool forever = false;                // that one and all after it
  bool partly = false;                 // a write that fails has moved the first half of its bytes
  std::optional<FlushSite> skipped{};  // a flush of this site returns and does nothing
};

class FaultyDevice final : public BlockDevice {
 public:
  FaultyDevice(MemoryDevice::Image image, std::shared_ptr<DeviceHistory> history,
               DeviceFaults faults = {});

  using BlockDevice::read;
  using BlockDevice::write;
  std::uint64_t size_bytes() const override { return memory_.size_bytes(); }
  Result<> grow(std::uint64_t bytes) override { return memory_.grow(bytes); }
  Result<> read(std::span<const DeviceRead> batch) override;
  Result<> write(std::span<const DeviceWrite> batch) override;
  Result<> flush(FlushSite site) override;
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override;
  void discard(std::uint64_t offset, std::uint64_t bytes) override;

 private:
  bool fails(std::uint64_t& count, std::uint64_t at) REQUIRES(mutex_);
  void write_half(std::span<const DeviceWrite> batch);

  MemoryDevice memory_;
  const std::shared_ptr<DeviceHistory> history_;
  const DeviceFaults faults_;
  Mutex mutex_{Rank::device};
  std::uint64_t reads_ GUARDED_BY(mutex_) = 0, writes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t flushes_ GUARDED_BY(mutex_) = 0;
};

// What a power cut leaves behind, for ever later cuts of one history.
class CrashStates {
 public:
  // Borrows the events.
  CrashStates(MemoryDevice::Image start, const std::vector<DeviceEvent>& events)
      : durable_(std::move(start)), events_(events) {}
  // The cut comes after `count` events; not less than at the call before.
  void cut_after(std::size_t count);
  std::uint64_t newest_note() const { return newest_note_; }
  // One of the states that are possible there.
  MemoryDevice::Image state(std::mt19937_64& rng) const;

 private:
  MemoryDevice::Image durable_;
  const std::vector<DeviceEvent>& events_;
  std::size_t count_ = 0;
  std::vector<const DeviceEvent*> unflushed_;
  std::uint64_t newest_note_ = 0;
};

}  // namespace vexfs
