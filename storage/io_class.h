// SPDX-License-Identifier: Apache-2.0
// IoClass: who waits for a transfer. A thread's transfers are of the class of the innermost
// scope that it is in, and foreground outside of any:
//
//   foreground   somebody waits: the log, reads for a caller, content that is being fsynced
//   background   nobody does: checkpoints, prefetching, compaction, discards
//
//   { const IoClassScope scope(IoClass::background); … device.write(batch) … }
//
// Threads: any; each has its own.
#pragma once
#include <cstdint>
#include <utility>

namespace vexfs {

enum class IoClass : std::uint8_t { foreground, background };

class IoClassScope {
 public:
  explicit IoClassScope(IoClass its) : before_(std::exchange(mine(), its)) {}
  ~IoClassScope() { mine() = before_; }
  IoClassScope(const IoClassScope&) = delete;
  IoClassScope& operator=(const IoClassScope&) = delete;
  static IoClass current() { return mine(); }

 private:
  static IoClass& mine() {
    thread_local IoClass current = IoClass::foreground;
    return current;
  }
  const IoClass before_;
};

}  // namespace vexfs
