// SPDX-License-Identifier: Apache-2.0
#include "storage/checkpointer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>

namespace vexfs {

Checkpointer::Checkpointer(unsigned seconds, Job job) : seconds_(seconds), job_(std::move(job)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "checkpointer");
}

Checkpointer::~Checkpointer() {
  stop();
}

void Checkpointer::stop() {
  {
    Lock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  done_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::request() {
  {
    Lock lock(mutex_);
    if (wanted_ > begun_) return;
    wanted_ = begun_ + 1;
  }
  wake_.notify_one();
}

Result<> Checkpointer::run_now() {
  Lock lock(mutex_);
  const std::uint64_t mine = begun_ + 1;
  wanted_ = std::max(wanted_, mine);
  wake_.notify_one();
  ++waiting_;
  while (ended_ < mine && !ending_) done_.wait(mutex_);
  --waiting_;
  if (ended_ < mine) return fail(ESHUTDOWN, "checkpoint: the volume is closed");
  return outcome_;
}

void Checkpointer::run() {
  Lock lock(mutex_);
  while (!ending_) {
    const bool due =
        wanted_ <= begun_ && !wake_.wait_for(mutex_, std::chrono::seconds(seconds_)) && !ending_;
    if (wanted_ <= begun_ && !due) continue;
    ++begun_;
    mutex_.unlock();
    Result<> outcome = job_();
    mutex_.lock();
    outcome_ = outcome;
    ended_ = begun_;
    done_.notify_all();
  }
}

}  // namespace vexfs
