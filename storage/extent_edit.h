// SPDX-License-Identifier: Apache-2.0
// ExtentEdit: a change of one file's extents, worked out in memory, then put in a transaction.
//
// Reads the records that the change touches, cuts them, and says at the end what to put, erase,
// adopt and free, and how references to shared blocks change. Several changes of one edit see
// each other. It outlives the commit: it may hold Volume::sharing().
// Threads: one, which holds the lock of the file.
#pragma once
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "storage/file_extent.h"
#include "storage/shared_blocks.h"
#include "storage/transaction.h"
#include "storage/volume.h"

namespace vexfs {

inline constexpr std::uint64_t kBlocksEnd = std::numeric_limits<std::uint64_t>::max();

class ExtentEdit {
 public:
  ExtentEdit(Volume& volume, Ino ino, Wait wait)
      : volume_(volume), ino_(ino), wait_(wait), shared_(volume, wait) {}

  // Takes the place of whatever covers its blocks; what it adds on the disk is adopted, what it
  // covers is freed.
  Result<> put(FileExtent extent);
  // The same for blocks that are the file's already (an unwritten extent written in place).
  Result<> put_in_place(FileExtent extent);
  // The same for blocks that somebody has: one reference more to each.
  Result<> put_shared(FileExtent extent);
  // Makes [from, to) a hole. Stops after `records_max` records; returns the first block not
  // looked at, `to` when all is done.
  Result<std::uint64_t> remove(std::uint64_t from, std::uint64_t to, std::size_t records_max);

  // What the change adds to the blocks that the file holds. Pieces of one compressed extent
  // hold all of it together.
  std::int64_t blocks_added() const;
  // Compressed extents that the change cuts, of which less than half is left: they hold all of
  // their blocks (storage/extent_rewrite.h).
  std::vector<FileExtentGroup> sparse() const;
  // Upper bound of what log() will add to a transaction.
  std::size_t log_bytes() const;
  void log(Transaction& transaction) const;

 private:
  Result<std::uint64_t> load(std::uint64_t from, std::uint64_t to, std::size_t records_max);
  enum class Old : std::uint8_t { dropped, kept };  // the blocks that something new covers
  Result<> carve(std::uint64_t from, std::uint64_t to, Old old);
  Result<> drop(const FileExtent& extent, std::uint64_t from, std::uint64_t to);
  void insert(FileExtent extent);

  Volume& volume_;
  const Ino ino_;
  const Wait wait_;
  std::map<std::uint64_t, FileExtent> now_;  // the touched part, as it shall be
  std::set<std::uint64_t> in_tree_;          // keys of what was loaded
  std::set<std::uint64_t> changed_;          // keys in now_ to put
  std::set<FileExtentGroup> cut_;            // compressed extents that lost blocks
  std::vector<Extent> adopted_, freed_;
  SharedBlocks shared_;
  std::int64_t plain_blocks_added_ = 0;
  std::map<FileExtentGroup, std::uint32_t> groups_before_;  // compressed, with their blocks
};

}  // namespace vexfs
