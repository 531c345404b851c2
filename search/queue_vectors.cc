// SPDX-License-Identifier: Apache-2.0
#include "search/queue_vectors.h"

#include <utility>

namespace vexfs {

std::uint64_t VectorQueue::next_sequence() {
  Lock lock(mutex_);
  return next_++;
}

void VectorQueue::owe(Ino ino) {
  Lock lock(mutex_);
  const std::uint64_t sequence = next_++;
  const auto [at, fresh] = last_.try_emplace(ino, sequence);
  if (!fresh) owed_.erase(std::exchange(at->second, sequence));
  owed_.emplace(sequence, ino);
}

bool VectorQueue::empty() const {
  Lock lock(mutex_);
  return owed_.empty();
}

void VectorQueue::drain(FunctionRef<void(Ino, std::uint64_t)> place) {
  mutex_.lock();
  const std::uint64_t limit = next_;  // later ones are for later questions
  while (!owed_.empty() && owed_.begin()->first < limit) {
    if (placing_) {
      finished_.wait(mutex_);
      continue;
    }
    placing_ = true;
    const auto [sequence, ino] = *owed_.begin();
    mutex_.unlock();
    place(ino, sequence);
    mutex_.lock();
    placing_ = false;
    // Changed meanwhile: it stands further back by now.
    if (owed_.erase(sequence) != 0) last_.erase(ino);
    finished_.notify_all();
  }
  mutex_.unlock();
}

}  // namespace vexfs
