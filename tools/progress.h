// SPDX-License-Identifier: Apache-2.0
// Progress on a terminal, for what takes over a second. Silent where stderr is no terminal.
#pragma once
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "storage/block_device.h"

namespace vexfs {

// A line on stderr that is written over. One thread.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // takes the line away
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  // At most ten times a second, and not in the first second.
  void show(const std::string& text);

 private:
  const bool terminal_;
  const std::uint64_t begin_ns_ = monotonic_ns();
  std::uint64_t shown_ns_ = 0;
};

// A device that shows how much has been written to it. One thread.
class ProgressDevice final : public BlockDevice {
 public:
  ProgressDevice(BlockDevice& device, std::string what) : device_(device), what_(std::move(what)) {}
  using BlockDevice::read;
  using BlockDevice::write;
  std::uint64_t size_bytes() const override { return device_.size_bytes(); }
  Result<> read(std::span<const DeviceRead> batch) override { return device_.read(batch); }
  Result<> write(std::span<const DeviceWrite> batch) override;
  Result<> flush(FlushSite site) override { return device_.flush(site); }
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override;
  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    device_.discard(offset, bytes);
  }

 private:
  void count(std::size_t bytes);
  BlockDevice& device_;
  const std::string what_;
  ProgressLine line_;
  std::uint64_t written_bytes_ = 0;
};

}  // namespace vexfs
