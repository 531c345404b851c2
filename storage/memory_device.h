// SPDX-License-Identifier: Apache-2.0
// MemoryDevice: a block device in memory, sparse, for tests. A copy of its content costs one
// pointer a block; blocks are shared until written.
// Threads: any.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "storage/block_device.h"
#include "storage/types.h"

namespace vexfs {

class MemoryDevice final : public BlockDevice {
 public:
  using Block = std::array<std::byte, kBlockBytes>;
  // Shared, for a snapshot and the device that goes on look at the same block; null: zeros.
  using Image = std::vector<std::shared_ptr<const Block>>;

  explicit MemoryDevice(std::uint64_t bytes) : blocks_(bytes / kBlockBytes) {}
  explicit MemoryDevice(Image image) : blocks_(std::move(image)) {}

  Image image() const;

  using BlockDevice::read;
  using BlockDevice::write;
  std::uint64_t size_bytes() const override;
  Result<> grow(std::uint64_t bytes) override;
  Result<> read(std::span<const DeviceRead> batch) override;
  Result<> write(std::span<const DeviceWrite> batch) override;
  Result<> flush(FlushSite) override { return {}; }
  Result<> write_flushed(const DeviceWrite& write, FlushSite) override;
  void discard(std::uint64_t offset, std::uint64_t bytes) override;

  // Writes into an image, any number of bytes.
  static void write_image(Image& image, std::uint64_t offset, Bytes from);

 private:
  mutable Mutex mutex_{Rank::device};
  Image blocks_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
