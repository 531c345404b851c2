// SPDX-License-Identifier: Apache-2.0
// SharedLatch: many readers or one writer, where a reader writes no memory that another thread
// reads unless it writes. Announcements: what readers do now, a cache line a thread.
//
// A reader announces the latch in its thread's own line, then looks whether a writer holds it. A
// writer takes the latch from other writers, then waits until no line names it. One of the two
// sees the other, for all four steps are sequentially consistent. So readers scale with threads,
// and a writer pays one look at each thread's line.
//
// The announcements answer a second question: whether everybody who was inside a latch at some
// moment has left it since (Departure). What nobody can reach any more may be freed then; so
// readers need no reference counts.
//
// Always: whoever is inside leaves soon; nobody inside waits for a device. A thread is inside at
// most one latch of a channel, but may write under several.
// Threads: any. A stream of readers cannot keep a writer out; a writer in a hurry cannot keep a
// reader out for ever: after some tries a reader queues as a writer does.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

#include "base/mutex.h"

namespace vexfs {

// What a latch guards; a thread announces one of each at a time.
enum class Channel : std::uint8_t { gate, pages };

// The line of one thread. Lines are never freed; a new thread takes over the line of an old one.
struct alignas(64) Announcement {
  std::atomic<const void*> inside[2] = {};   // the latch, by channel; `writing` for a writer
  std::atomic<std::uint64_t> departures{0};  // of Channel::pages
  unsigned writing_depth = 0;                // of the owner; Channel::pages
  std::atomic<bool> taken{false};
  Announcement* next = nullptr;  // constant once it is in the list
};

// Of this thread.
Announcement& announcement();
// The list of all.
Announcement* first_announcement();

class VEXFS_TSA(capability("mutex")) SharedLatch {
 public:
  SharedLatch(Rank rank, Channel channel) : rank_(rank), channel_(channel) {}
  SharedLatch(const SharedLatch&) = delete;
  SharedLatch& operator=(const SharedLatch&) = delete;

  void lock_shared() VEXFS_TSA(acquire_shared_capability()) {
    lock_order::acquired(rank_);
    std::atomic<const void*>& line = inside(announcement());
    line.store(this, std::memory_order_seq_cst);
    if (writer_.load(std::memory_order_seq_cst) != kFree) wait_to_read(line);
  }
  void unlock_shared() VEXFS_TSA(release_shared_capability()) {
    Announcement& line = announcement();
    if (channel_ == Channel::pages) depart(line);
    inside(line).store(nullptr, std::memory_order_release);
    lock_order::released(rank_);
  }
  void lock() VEXFS_TSA(acquire_capability());
  void unlock() VEXFS_TSA(release_capability());

 private:
  enum : std::uint32_t { kFree, kHeld, kHeldAndAwaited };
  std::atomic<const void*>& inside(Announcement& of) const {
    return of.inside[static_cast<unsigned>(channel_)];
  }
  static void depart(Announcement& line) {
    // Only its own thread writes it: a store is enough.
    line.departures.store(line.departures.load(std::memory_order_relaxed) + 1,
                          std::memory_order_release);
  }
  void take();
  void give();
  void wait_while_held();
  void wait_to_read(std::atomic<const void*>& line);

  std::atomic<std::uint32_t> writer_{kFree};
  const Rank rank_;
  const Channel channel_;
};

class VEXFS_TSA(scoped_lockable) SharedLatchRead {
 public:
  explicit SharedLatchRead(SharedLatch& l) VEXFS_TSA(acquire_shared_capability(l)) : latch_(l) {
    l.lock_shared();
  }
  ~SharedLatchRead() VEXFS_TSA(release_capability()) { latch_.unlock_shared(); }
  SharedLatchRead(const SharedLatchRead&) = delete;
  SharedLatchRead& operator=(const SharedLatchRead&) = delete;

 private:
  SharedLatch& latch_;
};

class VEXFS_TSA(scoped_lockable) SharedLatchWrite {
 public:
  explicit SharedLatchWrite(SharedLatch& l) VEXFS_TSA(acquire_capability(l)) : latch_(l) {
    l.lock();
  }
  ~SharedLatchWrite() VEXFS_TSA(release_capability()) { latch_.unlock(); }
  SharedLatchWrite(const SharedLatchWrite&) = delete;
  SharedLatchWrite& operator=(const SharedLatchWrite&) = delete;

 private:
  SharedLatch& latch_;
};

// Departure: whether every thread that was inside a latch of Channel::pages when this was made
// has been outside since. Whatever was out of reach before that moment is nobody's any more.
class Departure {
 public:
  Departure();
  bool complete();

 private:
  struct Inside {
    const Announcement* thread = nullptr;
    std::uint64_t departures = 0;
  };
  std::vector<Inside> inside_;  // who has not been seen outside yet
};

}  // namespace vexfs
