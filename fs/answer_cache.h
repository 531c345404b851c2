// SPDX-License-Identifier: Apache-2.0
// AnswerCache: the value of a query attribute between a caller's size probe and its read, so
// that one question is computed once. Kept 2 s; belongs to one inode, name and process.
// Threads: any.
#pragma once
#include <deque>
#include <optional>
#include <string>

#include "base/caller.h"
#include "base/mutex.h"
#include "fs/types.h"

namespace vexfs {

class AnswerCache {
 public:
  // Leaves the cache when `bytes_asked` holds it: the same question asked again is a new one.
  std::optional<std::string> find(const Caller& caller, Ino ino, std::string_view name,
                                  std::size_t bytes_asked);
  void keep(const Caller& caller, Ino ino, std::string_view name, std::string value);

 private:
  struct Kept {
    Ino ino{};
    std::string name;
    uid_t uid;
    pid_t pid;
    std::uint64_t until_ns;
    std::string value;
  };
  static constexpr std::size_t kKeptMax = 256;
  Mutex mutex_{Rank::hidden};
  std::deque<Kept> kept_ GUARDED_BY(mutex_);  // oldest first
};

}  // namespace vexfs
