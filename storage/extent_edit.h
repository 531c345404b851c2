// SPDX-License-Identifier: Apache-2.0
// ExtentEdit: a change of one file's extents, worked out in memory, then put in a transaction.
//
// Reads the records that the change touches, cuts them, and says at the end what to put, erase,
// adopt and free. Several changes of one edit see each other.
// Threads: one, which holds the lock of the file.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "storage/file_extent.h"
#include "storage/transaction.h"
#include "storage/volume.h"

namespace vexfs {

inline constexpr std::uint64_t kBlocksEnd = std::numeric_limits<std::uint64_t>::max();

class ExtentEdit {
 public:
  ExtentEdit(Volume& volume, Ino ino, Wait wait) : volume_(volume), ino_(ino), wait_(wait) {}

  // Takes the place of whatever covers its blocks; what it adds on the disk is adopted, what it
  // covers is freed.
  Result<> put(FileExtent extent);
  // The same for blocks that are the file's already (an unwritten extent written in place).
  Result<> put_in_place(FileExtent extent);
  // Makes [from, to) a hole. Stops after `records_max` records; returns the first block not
  // looked at, `to` when all is done.
  Result<std::uint64_t> remove(std::uint64_t from, std::uint64_t to, std::size_t records_max);

  // What the change adds to the blocks that the file holds.
  std::int64_t blocks_added() const { return blocks_added_; }
  // Upper bound of what log() will add to a transaction.
  std::size_t log_bytes() const;
  void log(Transaction& transaction) const;

 private:
  Result<std::uint64_t> load(std::uint64_t from, std::uint64_t to, std::size_t records_max);
  void carve(std::uint64_t from, std::uint64_t to, bool free_blocks);
  void insert(FileExtent extent);

  Volume& volume_;
  const Ino ino_;
  const Wait wait_;
  std::map<std::uint64_t, FileExtent> now_;  // the touched part, as it shall be
  std::set<std::uint64_t> in_tree_;          // keys of what was loaded
  std::set<std::uint64_t> changed_;          // keys in now_ to put
  std::vector<Extent> adopted_, freed_;
  std::int64_t blocks_added_ = 0;
};

}  // namespace vexfs
