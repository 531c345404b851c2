// SPDX-License-Identifier: Apache-2.0
// ContentClock: content generations. Each is given once in the life of a volume: the epoch rises
// with every writable mount, so what a crash took back never comes again with other content.
// Threads: any.
#pragma once
#include <atomic>
#include <cstdint>

namespace vexfs {

class ContentClock {
 public:
  explicit ContentClock(std::uint64_t mount_epoch) : next_((mount_epoch << 40) + 1) {}
  std::uint64_t next() { return next_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> next_;
};

}  // namespace vexfs
