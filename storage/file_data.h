// SPDX-License-Identifier: Apache-2.0
// File data: the blocks of a file as they lie on the disk, found through Tree::extent.
//
// Always: a block whose checksum does not match is never given out: EIO, counted, logged.
// Threads: any; the caller's lock on the file keeps its extents in place.
#pragma once
#include <cstdint>
#include <vector>

#include "storage/compression.h"
#include "storage/file_extent.h"
#include "storage/volume.h"

namespace vexfs {

// Fills `into` (whole blocks, address aligned to a block) with the file from `block` on; holes
// and unwritten blocks are zeros. EUCLEAN for a record that makes no sense.
Result<> read_file_blocks(Volume& volume, Ino ino, std::uint64_t block, MutableBytes into,
                          Wait wait);

// Writes whole blocks to newly allocated extents and flushes nothing. They are the caller's until
// a transaction adopts them; on an error nothing is kept.
Result<std::vector<FileExtent>> write_file_blocks(Volume& volume, std::uint64_t block, Bytes from,
                                                  Compression how = {});

// The checksum of each block of `blocks`.
std::vector<std::uint64_t> block_checks(Bytes blocks);

// First block at or after `block` that is data, or that is a hole (unwritten blocks are holes).
// `end` when there is none before it.
Result<std::uint64_t> find_file_data(Volume& volume, Ino ino, std::uint64_t block,
                                     std::uint64_t end, Wait wait);
Result<std::uint64_t> find_file_hole(Volume& volume, Ino ino, std::uint64_t block,
                                     std::uint64_t end, Wait wait);

// The extents that overlap [from, to), cut to it, at most `max` of them.
Result<std::vector<FileExtent>> file_extents(Volume& volume, Ino ino, std::uint64_t from,
                                             std::uint64_t to, std::size_t max, Wait wait);

}  // namespace vexfs
