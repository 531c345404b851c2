// SPDX-License-Identifier: Apache-2.0
// SharedCheck: that blocks of files have as many references as Tree::refcount says. The counts
// follow from Tree::extent, so a repair can make them again.
//
// Blocks that no count covers and several records of files name are shared, uncounted, when all
// of these say the same of them (birth and checksum); else they are two owners' by damage, and
// nobody can know whose.
// Threads: one.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "storage/check_fix.h"
#include "storage/check_image.h"
#include "storage/check_report.h"
#include "storage/file_extent.h"
#include "storage/refcount_format.h"

namespace vexfs {

class SharedCheck {
 public:
  SharedCheck(const CheckImage& image, CheckReport& report) : image_(image), report_(report) {}
  // Reads the counts; false: not all of them could be.
  bool load();
  // A record of Tree::extent references these blocks. Returns those that must be nobody else's:
  // the ones that are not shared, and shared ones at their first reference.
  std::vector<Extent> reference(Extent extent);
  // Of what reference() returned, somebody had these already.
  void claimed_before(const std::vector<std::uint64_t>& blocks);
  // After the last reference, when all are known.
  void settle(CheckFixes& fixes);

 private:
  struct Run {
    RefcountRun run;
    std::vector<std::uint32_t> seen;  // references found, of each block
  };
  // A block that was claimed before.
  struct Suspect {
    std::uint32_t times = 0;       // that it was
    std::uint32_t references = 0;  // records of Tree::extent that name it
    std::uint64_t check = 0, birth = 0;
    bool alike = true;
    std::string where;  // the last of them
  };
  bool compare_counts();
  void look_again();
  void look_at(const FileExtent& extent, std::uint64_t ino);
  bool judge_suspects();
  std::map<std::uint64_t, RefcountRun> right_runs() const;

  const CheckImage& image_;
  CheckReport& report_;
  bool whole_ = true;
  std::vector<std::string> keys_;      // of all records, good or not
  std::map<std::uint64_t, Run> runs_;  // by first block
  std::map<std::uint64_t, Suspect> suspects_;
};

}  // namespace vexfs
