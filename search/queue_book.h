// SPDX-License-Identifier: Apache-2.0
// QueueBook: Tree::queue. What is owed to files, durably, and why some of them get nothing.
//
// A record of owed content or an owed vector is put in the transaction of the change, and erased
// when what was made of it is saved: a crash before that finds it and the work is done again. fs
// puts and the saver erases different keys (the sequence), so they need no common lock.
//
// Threads: any, but what is said of one file is said by who works on it.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "base/mutex.h"
#include "search/space_format.h"
#include "storage/volume.h"

namespace vexfs {

class QueueBook {
 public:
  struct Record {
    Ino ino{};
    Owed what{};
    std::uint64_t sequence = 0;
  };

  explicit QueueBook(Volume& volume) : volume_(volume) {}

  // Calls `visit` for everything owed, without a lock; failed and parked are remembered.
  Result<> open(FunctionRef<void(const Record&)> visit);

  static void log(Transaction& transaction, const Record& record);
  // Done in memory; its records up to the sequence may go with the next save.
  void settle(const Record& record);
  std::size_t settled() const;
  // What was settled until now; erased with erase() once the pieces are saved.
  std::vector<Record> take_settled();
  void put_back(std::vector<Record> records);
  // Erases the records and those of lower sequence, in as many transactions as it takes.
  Result<> erase(const std::vector<Record>& records);

  // `what` is failed or parked. An empty reason: not any more. Commits only what is new.
  Result<> refuse(Ino ino, Owed what, const std::string& reason);
  std::optional<std::string> reason(Ino ino, Owed what) const;
  std::vector<Ino> refused(Owed what) const;

 private:
  using Reasons = std::map<Ino, std::string>;
  Reasons& reasons(Owed what) REQUIRES(mutex_) { return what == Owed::failed ? failed_ : parked_; }
  const Reasons& reasons(Owed what) const REQUIRES(mutex_) {
    return what == Owed::failed ? failed_ : parked_;
  }

  Volume& volume_;
  mutable Mutex mutex_{Rank::engine};
  Reasons failed_ GUARDED_BY(mutex_);
  Reasons parked_ GUARDED_BY(mutex_);
  std::vector<Record> settled_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
