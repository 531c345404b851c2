// SPDX-License-Identifier: Apache-2.0
// Checkpointer: the thread that runs checkpoints, one at a time: asked for, or when time is up.
// Threads: any.
#pragma once
#include <atomic>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "base/result.h"

namespace vexfs {

class Checkpointer {
 public:
  using Job = std::move_only_function<Result<>()>;
  // `job` runs on the thread, at least every `seconds`.
  Checkpointer(unsigned seconds, Job job);
  ~Checkpointer();
  // Ends the thread after the job that runs; who waits gets ESHUTDOWN. Once or more.
  void stop();

  void request();  // does not wait
  // Returns when a run that began after this call has ended, with its outcome.
  Result<> run_now();
  // Somebody waits in run_now().
  bool is_urgent() const { return waiting_.load(std::memory_order_relaxed) > 0; }

 private:
  void run();

  const unsigned seconds_;
  Job job_;
  Mutex mutex_{Rank::leaf};
  CondVar wake_, done_;
  std::uint64_t wanted_ GUARDED_BY(mutex_) = 0;  // runs asked for, counted by those begun
  std::uint64_t begun_ GUARDED_BY(mutex_) = 0;
  std::uint64_t ended_ GUARDED_BY(mutex_) = 0;
  Result<> outcome_ GUARDED_BY(mutex_);
  bool ending_ GUARDED_BY(mutex_) = false;
  std::atomic<unsigned> waiting_{0};  // written with mutex_ held
  std::thread thread_;
};

}  // namespace vexfs
