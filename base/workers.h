// SPDX-License-Identifier: Apache-2.0
// Workers: a fixed number of threads and a queue of jobs.
//
// submit() never blocks; whoever submits bounds what is in flight. The destructor runs every
// job that was submitted, then ends the threads. Threads: any.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace vexfs {

class Workers {
 public:
  using Job = std::move_only_function<void()>;
  // `name` shows in top and gdb, at most 15 bytes.
  Workers(std::string name, unsigned threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  void submit(Job job);
  std::size_t waiting() const;

 private:
  void run();
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool ending_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace vexfs
