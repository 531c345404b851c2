// SPDX-License-Identifier: Apache-2.0
// SnapshotCheck: the pinned roots of a volume and their lists of dead extents: each dead block
// in one list and nowhere else, and all that a snapshot holds kept by somebody.
// Threads: one.
#pragma once
#include <vector>

#include "storage/check_blocks.h"
#include "storage/check_data.h"
#include "storage/check_image.h"
#include "storage/snapshots.h"

namespace vexfs {

class SnapshotCheck {
 public:
  SnapshotCheck(const CheckImage& image, BlockClaims& claims, CheckReport& report)
      : image_(image), claims_(claims), report_(report) {}

  // Reads the tree and claims the dead extents. False: something cannot be read.
  bool load();
  const std::vector<PinnedRoot>& roots() const { return roots_; }
  std::uint64_t newest() const { return newest_; }
  // The content of the files as they were. After all claims.
  void check_data(const CheckOptions& options, DataCheck& data);

 private:
  void claim(std::uint64_t generation, Bytes key, Bytes value);
  void find(const char* code, std::uint64_t generation, std::string sentence);

  const CheckImage& image_;
  BlockClaims& claims_;
  CheckReport& report_;
  std::vector<PinnedRoot> roots_;
  std::uint64_t newest_ = 0;  // whose list the log's frees go to
  bool whole_ = true;
};

}  // namespace vexfs
