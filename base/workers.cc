// SPDX-License-Identifier: Apache-2.0
#include "base/workers.h"

#include <pthread.h>

namespace vexfs {

Workers::Workers(std::string name, unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
  }
}

Workers::~Workers() {
  {
    Lock lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::submit(Job job) {
  {
    Lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

std::size_t Workers::waiting() const {
  Lock lock(mutex_);
  return jobs_.size();
}

void Workers::run() {
  for (;;) {
    Job job;
    {
      Lock lock(mutex_);
      while (jobs_.empty() && !ending_) wake_.wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace vexfs
