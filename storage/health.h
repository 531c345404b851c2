// SPDX-License-Identifier: Apache-2.0
// Health: whether a volume may still be written. One failed write or flush ends that for good:
// what the device did with the data is unknown, and trying again would hide it.
// Threads: any.
#pragma once
#include <atomic>

#include "base/log.h"
#include "base/result.h"

namespace vexfs {

class Health {
 public:
  // Latches read-only; says so once.
  void end_writing(const Error& error) {
    if (read_only_.exchange(true)) return;
    log(Level::error, "volume", "read-only from now on",
        {{"errno", static_cast<std::uint64_t>(error.code)}, {"cause", error.what}});
  }
  void open_read_only() { read_only_ = true; }
  bool read_only() const { return read_only_.load(std::memory_order_relaxed); }
  Result<> writable() const {
    if (read_only()) return fail(EROFS, "volume: read-only");
    return {};
  }

 private:
  std::atomic<bool> read_only_{false};
};

}  // namespace vexfs
