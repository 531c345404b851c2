// SPDX-License-Identifier: Apache-2.0
#include "search/queue.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

Gauge& depth() {
  static Gauge& gauge = metrics::gauge("vexfs_index_queue_files_total", "Files that wait");
  return gauge;
}

}  // namespace

void IndexQueue::schedule(Entry& entry, std::uint64_t due_ns) {
  if (entry.running) {
    entry.again = true;
    return;
  }
  due_.erase({entry.due_ns, entry.task.ino});
  entry.due_ns = due_ns;
  due_.insert({entry.due_ns, entry.task.ino});
  depth().set(static_cast<std::int64_t>(entries_.size()));
  if (due_ns >= looks_ns_) return;
  looks_ns_ = due_ns;
  wake_.notify_one();
}

void IndexQueue::changed(Ino ino) {
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  const auto [at, fresh] = entries_.try_emplace(ino);
  Entry& entry = at->second;
  entry.task.ino = ino;
  if (fresh) entry.first_ns = now;
  schedule(entry, std::min(now + times_.quiet_ns, entry.first_ns + times_.quiet_ns_max));
}

void IndexQueue::closed(Ino ino) {
  Lock lock(mutex_);
  const auto found = entries_.find(ino);
  if (found == entries_.end()) return;
  if (found->second.running)
    found->second.at_once = true;
  else
    schedule(found->second, monotonic_ns() + times_.gather_ns);
}

void IndexQueue::owe(const IndexTask& task) {
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  const auto [at, fresh] = entries_.try_emplace(task.ino);
  Entry& entry = at->second;
  for (IndexTask* const owed : {&entry.task, &entry.meanwhile}) {
    owed->ino = task.ino;
    owed->gone |= task.gone;
    owed->rescan |= task.rescan;
    owed->moved |= task.moved;
  }
  entry.at_once = true;
  if (fresh) entry.first_ns = now;
  // Answers say "pending" of what is there still; of what is gone nobody asks.
  schedule(entry, task.gone ? now + times_.gather_ns : now);
}

void IndexQueue::owe_below(Ino directory, const std::vector<Ino>& files) {
  for (const Ino file : files) owe({.ino = file});
  Lock lock(mutex_);
  for (auto& [number, ticket] : tickets_) {
    if (!ticket.left.contains(directory)) continue;
    for (const Ino file : files)
      if (entries_.contains(file)) ticket.left.insert(file);
  }
}

void IndexQueue::log(Ino ino) {
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  const auto [at, fresh] = entries_.try_emplace(ino);
  if (!fresh) return;
  at->second.task.ino = ino;
  at->second.first_ns = now;
  schedule(at->second, now + times_.quiet_ns);
}

std::optional<IndexTask> IndexQueue::take() {
  Lock lock(mutex_);
  for (;;) {
    if (stopped_) return std::nullopt;
    if (paused_ || due_.empty()) {
      looks_ns_ = kNever;
      wake_.wait(mutex_);
      continue;
    }
    const std::uint64_t now = monotonic_ns();
    const auto [due_ns, ino] = *due_.begin();
    if (due_ns > now) {
      looks_ns_ = due_ns;
      wake_.wait_for(mutex_, std::chrono::nanoseconds(due_ns - now));
      looks_ns_ = kNever;
      continue;
    }
    due_.erase(due_.begin());
    if (!due_.empty() && due_.begin()->first <= now) wake_.notify_one();  // work for another
    Entry& entry = entries_.find(ino)->second;
    entry.running = true;
    entry.again = entry.at_once = false;
    entry.meanwhile = {.ino = ino};
    return entry.task;
  }
}

std::vector<IndexQueue::Done> IndexQueue::leave(Ino ino) {
  entries_.erase(ino);
  depth().set(static_cast<std::int64_t>(entries_.size()));
  std::vector<Done> done;
  for (auto at = tickets_.begin(); at != tickets_.end();) {
    at->second.left.erase(ino);
    if (!at->second.left.empty()) {
      ++at;
      continue;
    }
    done.push_back(std::move(at->second.done));
    at = tickets_.erase(at);
  }
  return done;
}

void IndexQueue::finish(const IndexTask& task, bool retry) {
  std::vector<Done> done;
  {
    const std::uint64_t now = monotonic_ns();
    Lock lock(mutex_);
    Entry& entry = entries_.find(task.ino)->second;
    entry.running = false;
    // What came in while it ran stays, also what it just did: it may have been past that already.
    if (!retry) entry.task = entry.meanwhile;
    const bool owed = entry.task.gone || entry.task.rescan || entry.task.moved;
    if (!owed && !retry && !entry.again) {
      done = leave(task.ino);
    } else {
      entry.first_ns = now;
      // A file that stays open is run again after its quiet time, not in a loop.
      const bool awaited = std::any_of(tickets_.begin(), tickets_.end(), [&](const auto& ticket) {
        return ticket.second.left.contains(task.ino);
      });
      const bool at_once = owed || entry.at_once || awaited;
      schedule(entry, at_once ? now : now + times_.quiet_ns);
    }
  }
  for (Done& one : done) one({});
}

bool IndexQueue::contains(Ino ino) const {
  Lock lock(mutex_);
  return entries_.contains(ino);
}

std::vector<IndexTask> IndexQueue::waiting() const {
  std::vector<IndexTask> all;
  {
    Lock lock(mutex_);
    all.reserve(entries_.size());
    for (const auto& [ino, entry] : entries_) all.push_back(entry.task);
  }
  std::ranges::sort(all, {}, &IndexTask::ino);
  return all;
}

std::pair<std::vector<IndexTask>, std::size_t> IndexQueue::some_waiting(std::size_t count) const {
  Lock lock(mutex_);
  std::vector<IndexTask> some;
  for (const auto& [ino, entry] : entries_) {
    if (some.size() == count) break;
    some.push_back(entry.task);
  }
  return {std::move(some), entries_.size()};
}

std::size_t IndexQueue::size() const {
  Lock lock(mutex_);
  return entries_.size();
}

std::uint64_t IndexQueue::when_left(const std::vector<Ino>& files, Done done) {
  std::uint64_t number = 0;
  bool paused = false;
  {
    const std::uint64_t now = monotonic_ns();
    Lock lock(mutex_);
    number = next_ticket_++;
    Ticket ticket;
    for (const Ino ino : files) {
      const auto found = entries_.find(ino);
      if (found == entries_.end()) continue;
      ticket.left.insert(ino);
      if (!found->second.running) schedule(found->second, now);
    }
    paused = paused_ && !ticket.left.empty();
    if (!paused && !stopped_ && !ticket.left.empty()) {
      ticket.done = std::move(done);
      tickets_.emplace(number, std::move(ticket));
      return number;
    }
  }
  done(paused ? Result<>(fail(EIO, "index: paused")) : Result<>());
  return number;
}

void IndexQueue::cancel(std::uint64_t ticket) {
  Done done;
  {
    Lock lock(mutex_);
    const auto found = tickets_.find(ticket);
    if (found == tickets_.end()) return;
    done = std::move(found->second.done);
    tickets_.erase(found);
  }
  done(fail(EINTR, "index: the wait was interrupted"));
}

void IndexQueue::answer_all(Error error) {
  std::map<std::uint64_t, Ticket> all;
  {
    Lock lock(mutex_);
    all.swap(tickets_);
  }
  for (auto& [number, ticket] : all) ticket.done(std::unexpected(error));
}

void IndexQueue::pause() {
  {
    Lock lock(mutex_);
    paused_ = true;
  }
  answer_all({.code = EIO, .what = "index: paused"});
}

void IndexQueue::resume() {
  {
    Lock lock(mutex_);
    paused_ = false;
  }
  wake_.notify_all();
}

bool IndexQueue::paused() const {
  Lock lock(mutex_);
  return paused_;
}

void IndexQueue::stop() {
  {
    Lock lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  answer_all({.code = ESHUTDOWN, .what = "index: stopped"});
}

}  // namespace vexfs
