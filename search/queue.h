// SPDX-License-Identifier: Apache-2.0
// IndexQueue: which files wait for a worker, and when each is due. The memory of what Tree::queue
// keeps durably.
//
//   changed() ──quiet time──┐
//   closed(), owe() ────────┴─> due ──take()──> running ──finish()──> gone from the queue
//                                 ^                └── changed meanwhile, or retry ──┘
//
// Always: a file is run by one worker at a time; what changes while it runs is run again.
// Barriers: a ticket waits for files that were in the queue when it was taken, each to leave it.
// Threads: any. Callbacks run without the lock.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "storage/types.h"

namespace vexfs {

struct QueueTimes {
  std::uint64_t quiet_ns = 2'000'000'000;
  std::uint64_t quiet_ns_max = 60'000'000'000;
  // What was closed or is gone waits so long for more of its kind: a worker woken for each would
  // take the CPU from whoever makes the files.
  std::uint64_t gather_ns = 5'000'000;
};

struct IndexTask {
  Ino ino{};
  bool gone = false;    // erase what is recorded of it
  bool rescan = false;  // a directory: put what is below into the queue
  bool moved = false;   // it, and so what is below a directory, has another name
};

class IndexQueue {
 public:
  using Done = std::move_only_function<void(Result<>)>;

  explicit IndexQueue(QueueTimes times) : times_(times) {}

  void changed(Ino ino);
  void closed(Ino ino);             // due soon, if it is in the queue
  void owe(const IndexTask& task);  // due at once; what is gone, soon
  // `files` are owed because of what was asked of `directory`: who waits for it waits for them.
  void owe_below(Ino directory, const std::vector<Ino>& files);
  // As owe(), unless it is in the queue already (then its own timers hold).
  void log(Ino ino);

  // Waits until something is due and nobody paused; nothing after stop().
  std::optional<IndexTask> take();
  // Done with it; `retry`: it changed under the worker, run it again.
  void finish(const IndexTask& task, bool retry);

  bool contains(Ino ino) const;
  std::vector<IndexTask> waiting() const;  // running ones included; by number
  std::size_t size() const;
  // At most `count` of waiting(), in no order, and how many there are.
  std::pair<std::vector<IndexTask>, std::size_t> some_waiting(std::size_t count) const;

  // `done` when all of `files` that are in the queue now have left it. EIO while paused.
  // They are due at once. Returns a ticket for cancel().
  std::uint64_t when_left(const std::vector<Ino>& files, Done done);
  void cancel(std::uint64_t ticket);  // answers EINTR; nothing for an old ticket

  void pause();  // answers EIO to all who wait
  void resume();
  bool paused() const;
  void stop();  // take() returns; who waits is answered ESHUTDOWN

 private:
  struct Entry {
    IndexTask task;
    IndexTask meanwhile = {};    // owed while it runs: what runs may have looked already
    std::uint64_t first_ns = 0;  // first change that is not indexed
    std::uint64_t due_ns = 0;
    bool running = false;
    bool again = false;    // changed while it ran,
    bool at_once = false;  // and was closed or is owed
  };
  struct Ticket {
    std::set<Ino> left;
    Done done;
  };
  void schedule(Entry& entry, std::uint64_t due_ns) REQUIRES(mutex_);
  std::vector<Done> leave(Ino ino) REQUIRES(mutex_);
  void answer_all(Error error);

  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
  const QueueTimes times_;
  mutable Mutex mutex_{Rank::engine};
  CondVar wake_;
  std::unordered_map<Ino, Entry> entries_ GUARDED_BY(mutex_);
  std::set<std::pair<std::uint64_t, Ino>> due_ GUARDED_BY(mutex_);  // those that do not run
  std::map<std::uint64_t, Ticket> tickets_ GUARDED_BY(mutex_);
  std::uint64_t next_ticket_ GUARDED_BY(mutex_) = 1;
  // No later than this some worker looks by itself: one that sleeps, or one that was just woken.
  std::uint64_t looks_ns_ GUARDED_BY(mutex_) = kNever;
  bool paused_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace vexfs
