// SPDX-License-Identifier: Apache-2.0
// Compression of extents with zstd: what is worth it, and the way back.
//
// A stored extent is one zstd frame, zeros behind it to the end of its last block.
// Threads: any; each has its own contexts.
#pragma once
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/types.h"

namespace vexfs {

struct Compression {
  int level = 0;  // of zstd, 1 ..= 19; 0: off
  friend bool operator==(const Compression&, const Compression&) = default;
};
inline constexpr int kCompressionLevelMax = 19;

// Compresses whole blocks, at most kCompressedBlocksMax, into `into`, which is as large. Returns
// the blocks of the stored extent; 0 where that saves less than an eighth, or a sample says that it
// would.
std::uint32_t compress_extent(Bytes raw, MutableBytes into, Compression how);

// Fills `raw`, whole blocks, with exactly what was compressed. EUCLEAN for bytes that
// compress_extent() never made; it writes nothing outside of `raw` whatever they are.
Result<> decompress_extent(Bytes stored, MutableBytes raw);

}  // namespace vexfs
