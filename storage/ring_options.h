// SPDX-License-Identifier: Apache-2.0
// RingOptions: what a ring may use of the kernel.
//
// Each is tried and given up silently where the kernel or a limit refuses it; that is seen in
// the metric vexfs_ring_features. Tests switch them off one by one.
#pragma once
#include <cstdint>

namespace vexfs {

struct RingOptions {
  bool uring = true;               // else pread, pwrite and fdatasync, one after the other
  bool single_issuer = true;       // one submitting thread (6.0)
  bool defer_taskrun = true;       // completions wait until asked for (6.1); needs single_issuer
  bool registered_ring = true;     // its descriptor is not looked up at each call (5.18)
  bool registered_files = true;    // nor the file's
  bool registered_buffers = true;  // Buffer::arena() is pinned once (RLIMIT_MEMLOCK)

  unsigned bits() const {
    return unsigned{uring} | unsigned{single_issuer} << 1 | unsigned{defer_taskrun} << 2 |
           unsigned{registered_ring} << 3 | unsigned{registered_files} << 4 |
           unsigned{registered_buffers} << 5;
  }
  static constexpr unsigned kCombinations = 64;
};

}  // namespace vexfs
