// SPDX-License-Identifier: Apache-2.0
// SpaceCheck: the map of free space, as the last checkpoint recorded it and the log changed it,
// against what pages, extents and blobs have claimed.
// Threads: one.
#pragma once
#include "storage/check_blocks.h"
#include "storage/check_image.h"

namespace vexfs {

class SpaceCheck {
 public:
  SpaceCheck(const CheckImage& image, CheckReport& report);
  // The map, then the log's changes. What it frees with a birth not above `newest_pin` stays in
  // use, and is claimed here.
  void load(std::uint64_t newest_pin, BlockClaims& claims);
  std::uint64_t used_blocks() const;
  // `whole`: every claim has been made. Else what is used by nobody may be used all the same.
  // False: the map is wrong.
  bool compare(const BlockClaims& claims, bool whole);

 private:
  void apply(const TransactionReader::Record& change, std::uint64_t newest_pin,
             BlockClaims& claims);
  void find(const char* code, Severity severity, Extent run, const char* sentence);

  const CheckImage& image_;
  CheckReport& report_;
  BlockGroups map_;
  bool readable_ = true, right_ = true;
};

}  // namespace vexfs
