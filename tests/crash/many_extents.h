// SPDX-License-Identifier: Apache-2.0
// Files of very many extents, made without writing their content: their blocks hold the zeros
// that a new device in memory holds. And a file that leaves a volume next to no space.
// Threads: one; with no Files open.
#pragma once
#include <cstdint>

#include "base/result.h"
#include "fs/types.h"
#include "storage/volume.h"

namespace vexfs {

// Gives an empty file `count` extents of one block each, `stride` blocks apart.
Result<> make_many_extents(Volume& volume, NodeId file, std::uint64_t count, std::uint64_t stride);
// Gives an empty file all space but some `left` blocks.
Result<> fill_volume(Volume& volume, NodeId file, std::uint64_t left);
// How many extents it has at and after a block.
Result<std::uint64_t> count_extents(Volume& volume, NodeId file, std::uint64_t from_block);

}  // namespace vexfs
