// SPDX-License-Identifier: Apache-2.0
#include "search/engine_state.h"

namespace vexfs {

void Gate::open() {
  {
    Lock lock(mutex_);
    open_.store(true, std::memory_order_release);
  }
  opened_.notify_all();
}

void Gate::wait() const {
  if (is_open()) return;
  Lock lock(mutex_);
  while (!is_open()) opened_.wait(mutex_);
}

void ErrorList::add(Ino about, std::string text) {
  Lock lock(mutex_);
  entries_.push_back({.about = about, .text = std::move(text)});
  if (entries_.size() > kEntriesMax) entries_.pop_front();
}

std::vector<ErrorList::Entry> ErrorList::all() const {
  Lock lock(mutex_);
  return {entries_.begin(), entries_.end()};
}

}  // namespace vexfs
