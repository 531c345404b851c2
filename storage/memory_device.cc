// SPDX-License-Identifier: Apache-2.0
#include "storage/memory_device.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace vexfs {

MemoryDevice::Image MemoryDevice::image() const {
  Lock lock(mutex_);
  return blocks_;
}

std::uint64_t MemoryDevice::size_bytes() const {
  Lock lock(mutex_);
  return blocks_.size() * kBlockBytes;
}

Result<> MemoryDevice::grow(std::uint64_t bytes) {
  Lock lock(mutex_);
  if (bytes / kBlockBytes > blocks_.size()) blocks_.resize(bytes / kBlockBytes);
  return {};
}

Result<> MemoryDevice::read(std::span<const DeviceRead> batch) {
  Lock lock(mutex_);
  for (const DeviceRead& each : batch) {
    VEXFS_ASSERT(each.offset % kBlockBytes == 0 && each.into.size() % kBlockBytes == 0);
    for (std::size_t at = 0; at < each.into.size(); at += kBlockBytes) {
      const std::uint64_t number = (each.offset + at) / kBlockBytes;
      if (number >= blocks_.size()) return fail(EIO, "device: transfer past the end");
      if (blocks_[number] == nullptr)
        std::memset(each.into.data() + at, 0, kBlockBytes);
      else
        std::memcpy(each.into.data() + at, blocks_[number]->data(), kBlockBytes);
    }
  }
  return {};
}

void MemoryDevice::write_image(Image& image, std::uint64_t offset, Bytes from) {
  while (!from.empty()) {
    std::shared_ptr<const Block>& block = image[offset / kBlockBytes];
    const std::size_t skip = offset % kBlockBytes;
    const std::size_t n = std::min(from.size(), kBlockBytes - skip);
    const Bytes part = from.first(n);
    const bool zeros = std::ranges::all_of(part, [](std::byte b) { return b == std::byte{0}; });
    if (block != nullptr || !zeros) {
      auto changed = block == nullptr ? std::make_shared<Block>() : std::make_shared<Block>(*block);
      std::memcpy(changed->data() + skip, part.data(), n);
      block = std::move(changed);
    }
    offset += n;
    from = from.subspan(n);
  }
}

Result<> MemoryDevice::write(std::span<const DeviceWrite> batch) {
  Lock lock(mutex_);
  for (const DeviceWrite& each : batch) {
    VEXFS_ASSERT(each.offset % kBlockBytes == 0 && each.from.size() % kBlockBytes == 0);
    if (each.offset + each.from.size() > blocks_.size() * kBlockBytes)
      return fail(EIO, "device: transfer past the end");
    write_image(blocks_, each.offset, each.from);
  }
  return {};
}

Result<> MemoryDevice::write_flushed(const DeviceWrite& write, FlushSite) {
  return this->write(std::span(&write, 1));
}

void MemoryDevice::discard(std::uint64_t offset, std::uint64_t bytes) {
  Lock lock(mutex_);
  for (std::uint64_t number = offset / kBlockBytes; number < (offset + bytes) / kBlockBytes;
       ++number)
    blocks_[number] = nullptr;
}

}  // namespace vexfs
