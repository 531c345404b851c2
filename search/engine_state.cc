// SPDX-License-Identifier: Apache-2.0
#include "search/engine_state.h"

#include <iterator>

#include "base/clock.h"

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

void WithoutVectors::add(Ino ino) {
  Lock lock(mutex_);
  files_.insert(ino);
  up_ = false;
}

void WithoutVectors::succeeded() {
  Lock lock(mutex_);
  up_ = true;
}

std::vector<Ino> WithoutVectors::take() {
  constexpr std::uint64_t kPauseNs = 2'000'000'000;
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  if (files_.empty() || (!up_ && now < next_ns_)) return {};
  next_ns_ = now + kPauseNs;
  std::vector<Ino> some(files_.begin(), up_ ? files_.end() : std::next(files_.begin()));
  for (const Ino ino : some) files_.erase(ino);
  return some;
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
