// SPDX-License-Identifier: Apache-2.0
#include "storage/scheduled_device.h"

#include <algorithm>

#include "base/clock.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

constexpr std::size_t kBytesPerTransfer = 128 << 10;

struct SchedulerMetrics {
  Histogram& waited = metrics::histogram("vexfs_io_background_wait_seconds",
                                         "Background transfers held back by foreground");
  Counter& foreground =
      metrics::counter("vexfs_io_transfers_total", "Transfers by class", "class=\"foreground\"");
  Counter& background =
      metrics::counter("vexfs_io_transfers_total", "Transfers by class", "class=\"background\"");
};

SchedulerMetrics& scheduler_metrics() {
  static SchedulerMetrics& the_one = *new SchedulerMetrics;
  return the_one;
}

unsigned cost_of(std::size_t bytes) {
  return static_cast<unsigned>((bytes + kBytesPerTransfer - 1) / kBytesPerTransfer);
}
unsigned cost_of(const DeviceRead& part) {
  return cost_of(part.into.size());
}
unsigned cost_of(const DeviceWrite& part) {
  return cost_of(part.from.size());
}

}  // namespace

class ScheduledDevice::Foreground {
 public:
  Foreground(ScheduledDevice& device, unsigned cost) : device_(device), cost_(cost) {
    scheduler_metrics().foreground.add(cost);
    Lock lock(device_.mutex_);
    device_.foreground_ += cost_;
  }
  ~Foreground() {
    const std::uint64_t now = monotonic_ns();
    bool wake = false;
    {
      Lock lock(device_.mutex_);
      device_.foreground_ -= cost_;
      device_.half_credits_ =
          std::min(device_.half_credits_ + cost_, 2 * device_.options_.busy_max);
      device_.foreground_ended_ns_ = now;
      wake = device_.waiting_ > 0;
    }
    if (wake) device_.changed_.notify_all();
  }
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

 private:
  ScheduledDevice& device_;
  const unsigned cost_;
};

// Background transfers that may be added to those in flight.
unsigned ScheduledDevice::allowed() const {
  const bool lately =
      foreground_ended_ns_ != 0 && monotonic_ns() - foreground_ended_ns_ < options_.lately_ns;
  const unsigned max = foreground_ > 0 || lately ? options_.busy_max : options_.quiet_max;
  const unsigned room = max - std::min(max, background_);
  return foreground_ > 0 ? std::min(room, half_credits_ / 2) : room;
}

unsigned ScheduledDevice::begin_background(unsigned wanted) {
  Lock lock(mutex_);
  if (allowed() == 0) {
    Timed timed(scheduler_metrics().waited);
    ++waiting_;
    while (allowed() == 0) changed_.wait(mutex_);
    --waiting_;
  }
  const unsigned count = std::min(wanted, allowed());
  if (foreground_ > 0) half_credits_ -= 2 * count;
  background_ += count;
  return count;
}

void ScheduledDevice::end_background(unsigned count) {
  bool wake = false;
  {
    Lock lock(mutex_);
    background_ -= count;
    wake = waiting_ > 0;
  }
  if (wake) changed_.notify_all();
}

ScheduledDevice::Now ScheduledDevice::now() const {
  Lock lock(mutex_);
  return {.foreground = foreground_, .background = background_, .held = waiting_};
}

template <class Part, class Move>
Result<> ScheduledDevice::move(std::span<const Part> batch, Move transfer) {
  if (IoClassScope::current() == IoClass::foreground) {
    unsigned cost = 0;
    for (const Part& part : batch) cost += cost_of(part);
    const Foreground counted(*this, cost);
    return transfer(batch);
  }
  while (!batch.empty()) {
    unsigned wanted = 0;
    for (const Part& part : batch) wanted += cost_of(part);
    const unsigned granted = begin_background(wanted);
    // At least one, however large: what it takes beyond the grant it takes unasked.
    std::size_t count = 0;
    for (unsigned cost = 0; count < batch.size(); ++count) {
      cost += cost_of(batch[count]);
      if (count > 0 && cost > granted) break;
    }
    scheduler_metrics().background.add(count);
    const Result<> outcome = transfer(batch.first(count));
    end_background(granted);
    VEXFS_CHECK(outcome);
    batch = batch.subspan(count);
  }
  return {};
}

Result<> ScheduledDevice::read(std::span<const DeviceRead> batch) {
  return move(batch, [this](std::span<const DeviceRead> part) { return device_->read(part); });
}

Result<> ScheduledDevice::write(std::span<const DeviceWrite> batch) {
  return move(batch, [this](std::span<const DeviceWrite> part) { return device_->write(part); });
}

Result<> ScheduledDevice::flush(FlushSite site) {
  if (IoClassScope::current() == IoClass::background) return device_->flush(site);
  const Foreground counted(*this, 1);
  return device_->flush(site);
}

Result<> ScheduledDevice::write_flushed(const DeviceWrite& write, FlushSite site) {
  const Foreground counted(*this, cost_of(write));
  return device_->write_flushed(write, site);
}

void ScheduledDevice::discard(std::uint64_t offset, std::uint64_t bytes) {
  const unsigned granted = begin_background(1);
  device_->discard(offset, bytes);
  end_background(granted);
}

}  // namespace vexfs
