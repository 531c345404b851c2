// SPDX-License-Identifier: Apache-2.0
// Superblock: the facts that a volume begins with, read from and written to its slots.
//
// Always: one write replaces the older slot only, so a crash leaves the newer one.
// Threads: one writer at a time.
#pragma once
#include <array>
#include <string_view>

#include "storage/block_device.h"
#include "storage/superblock_format.h"
#include "storage/types.h"

namespace vexfs {

struct TreeRoot {
  PagePointer page;
  unsigned level = 0;
};

struct Superblock {
  std::uint64_t id_high = 0, id_low = 0;
  std::uint32_t version = kFormatVersion;
  std::uint64_t size_bytes = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t data_first = 0, data_end = 0;
  std::uint64_t sequence = 0;
  std::uint64_t generation = 0;
  Lsn checkpoint_lsn{};
  std::uint64_t log_position = 0;
  std::uint64_t mount_epoch = 0;
  bool clean = false;
  std::array<TreeRoot, kTreeCount> roots;
};

// The newest valid copy. EMEDIUMTYPE: none was ever here. ENOTSUP: a newer format. EUCLEAN: all
// copies are damaged. EFBIG: the device is shorter than the volume.
Result<Superblock> read_superblock(BlockDevice& device);
// One copy. EMEDIUMTYPE: none was ever here. ENOTSUP, EUCLEAN, EIO as above.
Result<Superblock> read_superblock_copy(BlockDevice& device, unsigned slot, unsigned copy);
// Raises the sequence and writes both copies of its slot, durably.
Result<> write_superblock(BlockDevice& device, Superblock& superblock, FlushSite site);
// Writes all slots, for a new volume.
Result<> write_all_superblocks(BlockDevice& device, Superblock& superblock);

}  // namespace vexfs
