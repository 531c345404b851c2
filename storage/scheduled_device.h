// SPDX-License-Identifier: Apache-2.0
// ScheduledDevice: the I/O scheduler, before any device. Foreground goes at once; background
// goes in pieces, as many transfers at a time as the moment allows:
//
//   foreground                        background in flight     and it needs
//   none, and none lately             at most quiet_max        nothing
//   none at the moment                at most busy_max         nothing
//   some is in flight                 at most busy_max         credit
//
// Every foreground transfer that ends earns half a transfer of credit, busy_max at most, so
// background keeps a third of a busy device and never starves.
// Which class a transfer is of: storage/io_class.h. Flushes are never held back.
// Threads: any.
#pragma once
#include <memory>

#include "base/mutex.h"
#include "storage/block_device.h"
#include "storage/io_class.h"

namespace vexfs {

struct IoSchedulerOptions {
  unsigned quiet_max = 64;  // transfers; large ones count once for each 128 KiB
  unsigned busy_max = 8;
  std::uint64_t lately_ns = 1'000'000;
};

class ScheduledDevice final : public BlockDevice {
 public:
  explicit ScheduledDevice(std::unique_ptr<BlockDevice> device, IoSchedulerOptions options = {})
      : device_(std::move(device)), options_(options) {}

  using BlockDevice::read;
  using BlockDevice::write;
  std::uint64_t size_bytes() const override { return device_->size_bytes(); }
  Result<> grow(std::uint64_t bytes) override { return device_->grow(bytes); }
  Result<> read(std::span<const DeviceRead> batch) override;
  Result<> write(std::span<const DeviceWrite> batch) override;
  Result<> flush(FlushSite site) override;
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override;
  void discard(std::uint64_t offset, std::uint64_t bytes) override;

  struct Now {  // transfers in flight, and threads whose background ones are held back
    unsigned foreground = 0, background = 0, held = 0;
  };
  Now now() const;

 private:
  template <class Part, class Move>
  Result<> move(std::span<const Part> batch, Move transfer);
  class Foreground;
  // Waits; how many of `wanted` transfers may go now.
  unsigned begin_background(unsigned wanted);
  void end_background(unsigned count);
  unsigned allowed() const REQUIRES(mutex_);

  const std::unique_ptr<BlockDevice> device_;
  const IoSchedulerOptions options_;
  mutable Mutex mutex_{Rank::device};
  CondVar changed_;
  unsigned foreground_ GUARDED_BY(mutex_) = 0;  // transfers in flight
  unsigned background_ GUARDED_BY(mutex_) = 0;
  unsigned waiting_ GUARDED_BY(mutex_) = 0;  // threads in begin_background()
  unsigned half_credits_ GUARDED_BY(mutex_) = 0;
  std::uint64_t foreground_ended_ns_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
