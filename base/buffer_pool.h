// SPDX-License-Identifier: Apache-2.0
// BufferPool: heap memory for what is too large for a 4 KiB stack, in tiers, reused.
//
// A lease is aligned to 4 KiB from the 4 KiB tier up (O_DIRECT wants that), to 64 bytes below.
// Each thread keeps a few buffers of each tier; a store (base/buffer_store.h) holds the rest, to
// a limit. Threads: any; a lease may end on another thread than it began.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/bytes.h"

namespace vexfs {

inline constexpr std::array<std::size_t, 5> kBufferTiers = {1 << 10, 4 << 10, 16 << 10, 64 << 10,
                                                            1 << 20};

class Buffer {
 public:
  // A buffer of at least `bytes`; over the largest tier it is allocated and freed each time.
  // The content is unspecified. size() is exactly `bytes`.
  static Buffer take(std::size_t bytes);
  // Where some buffers of the largest tier lie. It stays for ever, so a device may pin it.
  static Bytes arena();

  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        tier_(other.tier_) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(tier_, other.tier_);
    return *this;
  }
  ~Buffer();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  MutableBytes bytes() const { return {data_, size_}; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t tier_ = 0;  // index into kBufferTiers, or their count: not pooled
};

namespace buffer_pool {

// What the pool holds and has done so far, of all tiers and threads.
struct Usage {
  std::size_t held_bytes = 0;          // in memory: in use or free
  std::size_t free_bytes = 0;          // of those: what trim() could give back, or nearly
  std::uint64_t reused_by_thread = 0;  // taken from the thread's own
  std::uint64_t reused = 0;            // from what others had given back
  std::uint64_t fresh = 0;             // from the kernel
};
Usage usage();
// At most so much of one tier stays in memory though nobody uses it (32 MiB until this is called).
void keep_at_most(std::size_t bytes);
// Gives free memory back to the kernel, that in the caches of other threads too; how much.
std::size_t trim();

}  // namespace buffer_pool

}  // namespace vexfs
