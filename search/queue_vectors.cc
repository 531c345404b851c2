// SPDX-License-Identifier: Apache-2.0
#include "search/queue_vectors.h"

#include <algorithm>

namespace vexfs {

std::uint64_t VectorQueue::next_sequence() {
  Lock lock(mutex_);
  return next_++;
}

void VectorQueue::owe(Ino ino) {
  Lock lock(mutex_);
  entries_[ino].sequence = next_++;
}

bool VectorQueue::empty() const {
  Lock lock(mutex_);
  return entries_.empty();
}

void VectorQueue::drain(FunctionRef<void(Ino, std::uint64_t)> place) {
  mutex_.lock();
  const std::uint64_t limit = next_;  // later ones are for later questions
  for (;;) {
    const auto owed = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
      return entry.second.sequence < limit && !entry.second.running;
    });
    if (owed == entries_.end()) {
      const bool others = std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) {
        return entry.second.running && entry.second.sequence < limit;
      });
      if (!others) break;
      finished_.wait(mutex_);
      continue;
    }
    const Ino ino = owed->first;
    const std::uint64_t sequence = owed->second.sequence;
    owed->second.running = true;
    mutex_.unlock();
    place(ino, sequence);
    mutex_.lock();
    Entry& entry = entries_[ino];
    entry.running = false;
    if (entry.sequence == sequence) entries_.erase(ino);
    finished_.notify_all();
  }
  mutex_.unlock();
}

}  // namespace vexfs
