// SPDX-License-Identifier: Apache-2.0
// Blob: immutable bytes in data extents of their own, checksummed per extent (at most 1 MiB).
// Derived columns, graphs and postings are saved as blobs. The reference is a tree value.
//
// Threads: any; a blob is written by one thread before its transaction is committed.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/blob_format.h"
#include "storage/volume.h"

namespace vexfs {

inline constexpr std::uint64_t kBlobBytesMax = std::uint64_t{128} << 20;

// Writes `parts`, one after the other, to newly allocated blocks and flushes nothing: the caller
// calls Volume::flush_data(FlushSite::blob_content) before it commits. Adds the adopts to
// `transaction`; returns the reference (<= kValueBytesMax bytes) that the caller puts where it
// wants it.
// ENOSPC: nothing is kept. EFBIG over kBlobBytesMax (also when space is too fragmented for one
// reference).
Result<std::string> write_blob(Volume& volume, Transaction& transaction,
                               std::span<const Bytes> parts);
// EUCLEAN for a reference or content that does not check; ERANGE past its end.
Result<> read_blob(Volume& volume, Bytes reference, std::uint64_t offset, MutableBytes into);
Result<std::uint64_t> blob_bytes(Bytes reference);
// Where its content is.
Result<std::vector<BlobExtent>> blob_extents(Bytes reference);
Extent extent_of(const BlobExtent& extent);
// Adds the frees to `transaction`; the caller erases the reference in the same one.
Result<> free_blob(Transaction& transaction, Bytes reference);

}  // namespace vexfs
