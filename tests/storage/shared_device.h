// SPDX-License-Identifier: Apache-2.0
// SharedDevice: a memory device that outlives the volume on it.
#pragma once
#include "storage/memory_device.h"

namespace vexfs {

class SharedDevice final : public BlockDevice {
 public:
  explicit SharedDevice(MemoryDevice& memory) : memory_(memory) {}
  using BlockDevice::read;
  using BlockDevice::write;
  std::uint64_t size_bytes() const override { return memory_.size_bytes(); }
  Result<> read(std::span<const DeviceRead> batch) override { return memory_.read(batch); }
  Result<> write(std::span<const DeviceWrite> batch) override { return memory_.write(batch); }
  Result<> flush(FlushSite site) override { return memory_.flush(site); }
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override {
    return memory_.write_flushed(write, site);
  }
  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    memory_.discard(offset, bytes);
  }

 private:
  MemoryDevice& memory_;
};

}  // namespace vexfs
