// SPDX-License-Identifier: Apache-2.0
// AnswerListing: an answer as the entries of a directory; Listings: those held for 60 s, because
// LOOKUP and READLINK carry no handle.
//
// An entry is named RANK_SCORE_BASENAME, cut at a UTF-8 border to 255 bytes with its extension
// kept, and points at the file relative to the answer's own directory, so it works under any
// mountpoint. An empty answer and pending work have an entry each: `ls` never confuses them.
// Threads: any.
#pragma once
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "search/question.h"

namespace vexfs {

struct ListingEntry {
  std::string name;
  std::string target;
  Ino ino{};  // 0: no file stands behind it (000_no-match)
  timespec mtime{};
};

struct AnswerListing {
  Answer answer;
  std::vector<ListingEntry> entries;
  // An entry by its name, or the N-th best hit by the bare number N. Null: no such name.
  const ListingEntry* find(std::string_view name) const;
};

AnswerListing make_listing(Answer answer);
// The name of one hit; `digits` wide rank.
std::string entry_name(std::size_t rank, int digits, float score, std::string_view path);

class Listings {
 public:
  using Ref = std::shared_ptr<const AnswerListing>;
  // Held for this key (node and caller), or null. Counts as a use.
  Ref find(std::string_view key);
  void keep(std::string key, Ref listing);

 private:
  struct Held {
    std::string key;
    Ref listing;
    std::uint64_t used_ns;
  };
  static constexpr std::size_t kHeldMax = 256;
  void drop_old(std::uint64_t now_ns) REQUIRES(mutex_);
  Mutex mutex_{Rank::hidden};
  std::list<Held> held_ GUARDED_BY(mutex_);  // least recently used first
};

}  // namespace vexfs
