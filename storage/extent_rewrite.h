// SPDX-License-Identifier: Apache-2.0
// What is left of a compressed extent, written anew: its pieces hold all of its blocks, however
// little of it is live.
// Threads: one, which keeps others from changing the file's extents.
#pragma once
#include <vector>

#include "storage/compression.h"
#include "storage/file_extent.h"
#include "storage/volume.h"

namespace vexfs {

// The live content of one compressed extent of the file, in new blocks that the caller flushes and
// adopts, or releases. Empty where that would win nothing: it takes as many blocks, or a copy or a
// snapshot holds the old ones as well. ENOSPC, EIO, EROFS.
Result<std::vector<FileExtent>> rewrite_extent(Volume& volume, Ino ino, FileExtentGroup group,
                                               Compression how);

}  // namespace vexfs
