// SPDX-License-Identifier: Apache-2.0
// The content of one live file: what is in memory over what is on the disk.
//
// Always: a page in memory is zero past the end of the file.
// Threads: the node's lock is held, shared for reading, else for writing.
#pragma once
#include "fs/files_state.h"

namespace vexfs {

// As Files::read().
Result<std::size_t> read_content(FilesState& state, const Node& node, std::uint64_t offset,
                                 MutableBytes into, Wait wait);

// Takes `from` into dirty pages and moves the end of the file. EAGAIN and ENOSPC come before
// anything has changed.
Result<> write_content(FilesState& state, Node& node, std::uint64_t offset, Bytes from, Wait wait);

// Makes bytes of the block in which `from` lies zero, up to `to` or the end of the block.
Result<> zero_in_block(FilesState& state, Node& node, std::uint64_t from, std::uint64_t to,
                       Wait wait);

}  // namespace vexfs
