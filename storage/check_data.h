// SPDX-License-Identifier: Apache-2.0
// DataCheck: compares the checksums of data blocks, read by several threads.
//
// Always: at most kInFlight extents wait, so memory is bounded.
// Threads: one that adds.
#pragma once
#include <string>

#include "base/mutex.h"
#include "base/workers.h"
#include "storage/check_image.h"
#include "storage/check_meter.h"

namespace vexfs {

class DataCheck {
 public:
  DataCheck(BlockDevice& device, CheckReport& report, CheckMeter& meter, unsigned threads)
      : device_(device), report_(report), meter_(meter), workers_("fsck", threads) {}
  // `where` names who references the blocks, which lie in the data area.
  void add(BlockReference reference, std::string where);
  void finish();  // returns when all has been looked at
  std::uint64_t blocks() const { return blocks_; }

 private:
  static constexpr unsigned kInFlight = 64;
  void look_at(const BlockReference& reference, const std::string& where);

  BlockDevice& device_;
  CheckReport& report_;
  CheckMeter& meter_;
  std::atomic<std::uint64_t> blocks_{0};
  Mutex mutex_{Rank::cache};
  CondVar wake_;
  unsigned in_flight_ GUARDED_BY(mutex_) = 0;
  Workers workers_;  // last: its threads use the rest
};

}  // namespace vexfs
