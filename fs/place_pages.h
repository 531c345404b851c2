// SPDX-License-Identifier: Apache-2.0
// Placing: one file's pages on their way to the disk.
#pragma once
#include <vector>

#include "fs/node.h"
#include "storage/compression.h"
#include "storage/file_extent.h"
#include "storage/volume.h"

namespace vexfs {

struct PlacedExtent {
  FileExtent extent;
  bool in_place = false;  // the file had these blocks
};

struct Placing {
  explicit Placing(Node& of) : node(of) {}
  Node& node;
  bool small = false;                        // the file fits into its record: nothing to write
  bool more = false;                         // pages still wait: there were too many for one round
  std::vector<FileExtent> own;               // where the file has blocks that it may write again
  std::vector<PlacedExtent> extents;         // written; not the file's yet unless in place
  std::size_t committed = 0;                 // the first so many of them
  std::vector<FileExtentGroup> sparse = {};  // compressed extents that they left little of
};

// Blocks of [from, to) that the file may write again: unwritten ones, and data that is as it is
// stored and nobody else's. With the file's lock held.
Result<std::vector<FileExtent>> own_blocks(Volume& volume, Ino ino, std::uint64_t from,
                                           std::uint64_t to, Wait wait);
// The one that holds `block`, or null.
const FileExtent* own_block(const std::vector<FileExtent>& own, std::uint64_t block);
// Whether the page goes to the block that the file has.
bool goes_in_place(const Placing& placing, std::uint64_t block, const FilePages::Page& page);

// Whether all there is of the file fits into its record.
bool fits_inline(const Node& node);
// The one page as an inline extent.
FileExtent inline_extent(const FilePages::Map& pages);

// Writes what is being written of the file; flushes nothing. What was written before an error is
// in `extents` too.
Result<> write_pages(Volume& volume, Placing& placing, Compression how);
// Gives back the blocks that no transaction has adopted.
void release_placed(Volume& volume, const Placing& placing);

}  // namespace vexfs
