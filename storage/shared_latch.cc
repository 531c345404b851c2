// SPDX-License-Identifier: Apache-2.0
#include "storage/shared_latch.h"

#include <sched.h>

#include "base/assert.h"

namespace vexfs {

namespace {

// About as long as a commit holds a latch. A virtual CPU that sleeps takes ten times as long to
// wake as that.
constexpr unsigned kSpins = 100;
constexpr unsigned kReadTries = 16;

// What stands in a line while its thread writes: no latch, so no writer waits for it.
constexpr char kWriting = 0;

std::atomic<Announcement*> all{nullptr};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

constinit thread_local Announcement* mine = nullptr;

// Gives the line back when the thread ends.
struct Owner {
  ~Owner() {
    if (mine != nullptr) mine->taken.store(false, std::memory_order_release);
    mine = nullptr;
  }
};

Announcement& claim() {
  for (Announcement* each = first_announcement(); each != nullptr; each = each->next)
    if (!each->taken.exchange(true, std::memory_order_acquire)) return *each;
  auto* const made = new Announcement;
  made->taken = true;
  made->next = all.load();
  while (!all.compare_exchange_weak(made->next, made)) {
  }
  return *made;
}

}  // namespace

Announcement* first_announcement() {
  return all.load(std::memory_order_seq_cst);
}

Announcement& announcement() {
  if (mine == nullptr) [[unlikely]] {
    mine = &claim();
    [[maybe_unused]] thread_local const Owner owner;
  }
  return *mine;
}

void SharedLatch::wait_while_held() {
  for (unsigned i = 0; i < kSpins; ++i) {
    if (writer_.load(std::memory_order_relaxed) == kFree) return;
    pause();
  }
  std::uint32_t seen = kHeld;
  if (writer_.compare_exchange_strong(seen, kHeldAndAwaited, std::memory_order_relaxed))
    seen = kHeldAndAwaited;
  if (seen == kHeldAndAwaited) writer_.wait(seen, std::memory_order_relaxed);
}

void SharedLatch::take() {
  for (;;) {
    std::uint32_t seen = kFree;
    if (writer_.compare_exchange_weak(seen, kHeld, std::memory_order_seq_cst)) return;
    if (seen != kFree) wait_while_held();
  }
}

void SharedLatch::give() {
  // All of them: readers wait here too.
  if (writer_.exchange(kFree, std::memory_order_seq_cst) == kHeldAndAwaited) writer_.notify_all();
}

void SharedLatch::wait_to_read(std::atomic<const void*>& line) {
  for (unsigned tries = 0; tries < kReadTries; ++tries) {
    line.store(nullptr, std::memory_order_release);
    wait_while_held();
    line.store(this, std::memory_order_seq_cst);
    if (writer_.load(std::memory_order_seq_cst) == kFree) return;
  }
  line.store(nullptr, std::memory_order_release);
  take();
  line.store(this, std::memory_order_seq_cst);
  give();
}

void SharedLatch::lock() {
  lock_order::acquired(rank_);
  if (channel_ == Channel::pages) {
    Announcement& line = announcement();
    if (line.writing_depth++ == 0) inside(line).store(&kWriting, std::memory_order_seq_cst);
  }
  take();
  for (Announcement* each = first_announcement(); each != nullptr; each = each->next)
    for (unsigned spins = 0; inside(*each).load(std::memory_order_seq_cst) == this; ++spins)
      spins < kSpins ? pause() : static_cast<void>(::sched_yield());
}

void SharedLatch::unlock() {
  give();
  if (channel_ == Channel::pages) {
    Announcement& line = announcement();
    if (--line.writing_depth == 0) {
      depart(line);
      inside(line).store(nullptr, std::memory_order_release);
    }
  }
  lock_order::released(rank_);
}

// In this order: a count that is read too late is only waited for too long.
Departure::Departure() {
  constexpr auto kPages = static_cast<unsigned>(Channel::pages);
  for (const Announcement* each = first_announcement(); each != nullptr; each = each->next)
    if (each->inside[kPages].load(std::memory_order_seq_cst) != nullptr)
      inside_.push_back(
          {.thread = each, .departures = each->departures.load(std::memory_order_acquire)});
}

bool Departure::complete() {
  std::erase_if(inside_, [](const Inside& each) {
    return each.thread->departures.load(std::memory_order_acquire) != each.departures;
  });
  return inside_.empty();
}

}  // namespace vexfs
