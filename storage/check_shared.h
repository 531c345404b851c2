// SPDX-License-Identifier: Apache-2.0
// SharedCheck: that blocks of files have as many references as Tree::refcount says.
// Threads: one.
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "storage/check_image.h"
#include "storage/check_report.h"
#include "storage/refcount_format.h"

namespace vexfs {

class SharedCheck {
 public:
  explicit SharedCheck(CheckReport& report) : report_(report) {}
  // Reads the counts; false: not all of them could be.
  bool load(const CheckImage& image);
  // A record of Tree::extent references these blocks. Returns those that must be nobody else's:
  // the ones that are not shared, and shared ones at their first reference.
  std::vector<Extent> reference(Extent extent);
  // After the last reference.
  void compare();

 private:
  struct Run {
    RefcountRun run;
    std::vector<std::uint32_t> seen;  // references found, of each block
  };
  CheckReport& report_;
  std::map<std::uint64_t, Run> runs_;  // by first block
};

}  // namespace vexfs
