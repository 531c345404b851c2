// SPDX-License-Identifier: Apache-2.0
// FlushGroup: concurrent callers that need the device flushed share one flush.
// Threads: any.
#pragma once
#include "base/mutex.h"
#include "storage/block_device.h"

namespace vexfs {

class FlushGroup {
 public:
  explicit FlushGroup(BlockDevice& device) : device_(device) {}
  // Returns when a flush that began after this call has ended, with its outcome.
  Result<> flush(FlushSite site) {
    Lock lock(mutex_);
    const std::uint64_t mine = begun_ + 1;
    while (ended_ < mine) {
      if (begun_ != ended_) {
        done_.wait(mutex_);
        continue;
      }
      ++begun_;
      mutex_.unlock();
      Result<> outcome = device_.flush(site);
      mutex_.lock();
      outcome_ = outcome;
      ended_ = begun_;
      done_.notify_all();
    }
    // A younger flush may have ended too; it covers no less.
    return outcome_;
  }

 private:
  BlockDevice& device_;
  Mutex mutex_{Rank::leaf};
  CondVar done_;
  std::uint64_t begun_ GUARDED_BY(mutex_) = 0, ended_ GUARDED_BY(mutex_) = 0;
  Result<> outcome_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
