// SPDX-License-Identifier: Apache-2.0
// ParkedRequests: how many requests wait off the session's threads, and how much they carry.
//
// One more than fits waits on the thread that received it, which then takes no other: what
// comes behind it stays with the kernel, that is with the programs that ask.
// Always: `count` <= max, and what they carry is <= bytes_max or one request's.
// Threads: any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/mutex.h"

namespace vexfs {

class ParkedRequests {
 public:
  struct Limits {
    std::size_t count = 1024;
    std::size_t bytes = std::size_t{256} << 20;
  };
  explicit ParkedRequests(Limits limits) : limits_(limits) {}

  // The place of one request; given back at its end.
  class Place {
   public:
    Place(Place&& other) noexcept : of_(std::exchange(other.of_, nullptr)), bytes_(other.bytes_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (of_ != nullptr) of_->leave(bytes_);
    }

   private:
    friend class ParkedRequests;
    Place(ParkedRequests& of, std::size_t bytes) : of_(&of), bytes_(bytes) {}
    ParkedRequests* of_;
    std::size_t bytes_;
  };
  // Waits until there is one.
  Place take(std::size_t bytes) EXCLUDES(mutex_);

 private:
  void leave(std::size_t bytes) EXCLUDES(mutex_);

  const Limits limits_;
  Mutex mutex_;
  CondVar left_;
  std::size_t count_ GUARDED_BY(mutex_) = 0, bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
