// SPDX-License-Identifier: Apache-2.0
// CheckReport: what a check of a volume found, and how much it has looked at.
//
// Threads: any.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "storage/types.h"

namespace vexfs {

enum class Severity : std::uint8_t {
  note,     // a trace of a crash, or something that mends itself: the volume is clean
  warning,  // derived data is wrong or missing; no truth is lost
  error,    // truth is damaged, or will be if the volume is written
};
std::string_view name_of(Severity severity);
std::string_view name_of(Tree tree);

struct Finding {
  const char* code = "";  // a word that scripts and tests compare, "page-checksum"
  Severity severity = Severity::error;
  std::string where;     // "tree inode, page 8192"; "inode 17, file block 3"
  std::string sentence;  // what is wrong
  bool repairable = false;
};

struct CheckCounts {
  std::uint64_t pages = 0, pairs = 0;                  // of trees
  std::uint64_t data_blocks = 0;                       // whose checksums were compared
  std::uint64_t log_frames = 0, log_transactions = 0;  // that were replayed into memory
  std::uint64_t used_blocks = 0, free_blocks = 0;      // of the data area
  // Compressed content: what files read of it, and what it takes. Blocks that several files share
  // count once for each of them, as in st_blocks.
  std::uint64_t compressed_raw_blocks = 0, compressed_stored_blocks = 0;
  std::uint64_t inodes = 0, names = 0, directories = 0;  // of the file system
  std::uint64_t spaces = 0, vectors = 0, chunks = 0;     // of search
};

class CheckReport {
 public:
  // Beyond `findings_max` they are counted only.
  explicit CheckReport(std::size_t findings_max = 1000) : findings_max_(findings_max) {}

  void add(Finding finding);
  void take(CheckReport& other);          // in place of what is here
  std::vector<Finding> findings() const;  // the worst first, then by place
  std::uint64_t found(Severity severity) const;
  // Warnings and errors that were found.
  std::uint64_t problems() const { return found(Severity::warning) + found(Severity::error); }
  bool clean() const { return problems() == 0; }
  bool has(std::string_view code) const;
  std::string text() const;  // a line each

  CheckCounts counts;  // set by the check between its parallel parts

 private:
  const std::size_t findings_max_;
  mutable Mutex mutex_{Rank::leaf};
  std::vector<Finding> findings_ GUARDED_BY(mutex_);
  std::array<std::uint64_t, 3> by_severity_ GUARDED_BY(mutex_){};
};

}  // namespace vexfs
