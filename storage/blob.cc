// SPDX-License-Identifier: Apache-2.0
#include "storage/blob.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/blob_format.h"

namespace vexfs {

namespace {

Counter& bad_blobs() {
  static Counter& counter = metrics::counter("vexfs_blob_checksum_failures_total",
                                             "Blob extents whose content did not check");
  return counter;
}

// Takes bytes off `parts` one after the other.
class PartsReader {
 public:
  explicit PartsReader(std::span<const Bytes> parts) : parts_(parts) {}
  void take(MutableBytes into) {
    while (!into.empty()) {
      while (at_ == parts_.front().size()) {
        parts_ = parts_.subspan(1);
        at_ = 0;
      }
      const std::size_t n = std::min(into.size(), parts_.front().size() - at_);
      std::memcpy(into.data(), parts_.front().data() + at_, n);
      into = into.subspan(n);
      at_ += n;
    }
  }

 private:
  std::span<const Bytes> parts_;
  std::size_t at_ = 0;
};

std::uint64_t reference_check(std::uint64_t bytes, std::span<const BlobExtent> extents) {
  return hash64(std::as_bytes(extents), bytes);
}

// A reference that has been proved well-formed.
struct Reference {
  std::uint64_t bytes = 0;
  std::vector<BlobExtent> extents;
};

Result<Reference> decode(Bytes reference) {
  BlobHeader header;
  if (reference.size() < sizeof header) return fail(EUCLEAN, "blob: reference cut off");
  std::memcpy(&header, reference.data(), sizeof header);
  if (header.magic != kBlobMagic || header.version != kBlobVersion)
    return fail(EUCLEAN, "blob: not a reference");
  Reference out{.bytes = header.bytes, .extents = std::vector<BlobExtent>(header.extents)};
  const Bytes rest = reference.subspan(sizeof header);
  if (rest.size() != out.extents.size() * sizeof(BlobExtent))
    return fail(EUCLEAN, "blob: reference of the wrong size");
  if (!rest.empty()) std::memcpy(out.extents.data(), rest.data(), rest.size());
  if (reference_check(out.bytes, out.extents) != header.check)
    return fail(EUCLEAN, "blob: reference does not check");
  std::uint64_t blocks = 0;
  for (const BlobExtent& extent : out.extents) {
    if (extent.blocks == 0 || extent.blocks > kExtentBlocksMax)
      return fail(EUCLEAN, "blob: extent of a bad size");
    blocks += extent.blocks;
  }
  if ((out.bytes + kBlockBytes - 1) / kBlockBytes != blocks)
    return fail(EUCLEAN, "blob: size and extents disagree");
  return out;
}

// Allocates and writes one extent of at most `bytes` of content; returns how much it took.
Result<std::uint64_t> write_extent(Volume& volume, PartsReader& parts, std::uint64_t bytes,
                                   std::vector<BlobExtent>& extents) {
  const std::uint64_t wanted =
      std::min<std::uint64_t>((bytes + kBlockBytes - 1) / kBlockBytes, kExtentBlocksMax);
  VEXFS_TRY(const Extent extent, volume.allocate(static_cast<std::uint32_t>(wanted)));
  extents.push_back({.first = static_cast<std::uint64_t>(extent.first),
                     .blocks = extent.blocks,
                     .check = std::uint64_t{0},
                     .birth = extent.birth});
  const Buffer buffer = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
  const std::uint64_t taken = std::min<std::uint64_t>(bytes, buffer.size());
  parts.take(buffer.bytes().first(taken));
  std::memset(buffer.data() + taken, 0, buffer.size() - taken);
  extents.back().check = hash64(buffer.bytes());
  VEXFS_CHECK(volume.write_blocks(extent.first, buffer.bytes()));
  return taken;
}

Result<> write_extents(Volume& volume, std::span<const Bytes> parts, std::uint64_t bytes,
                       std::vector<BlobExtent>& extents) {
  PartsReader reader(parts);
  while (bytes > 0) {
    if (extents.size() == kBlobExtentsMax) return fail(EFBIG, "blob: space is too fragmented");
    VEXFS_TRY(const std::uint64_t taken, write_extent(volume, reader, bytes, extents));
    bytes -= taken;
  }
  return {};
}

Result<> read_extent(Volume& volume, const BlobExtent& extent, std::uint64_t skip,
                     MutableBytes into) {
  const Buffer buffer = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
  const Extent where = extent_of(extent);
  VEXFS_CHECK(volume.read_blocks(where.first, buffer.bytes()));
  if (hash64(buffer.bytes()) != extent.check) {
    bad_blobs().add();
    log(Level::error, "blob", "content does not check",
        {{"block", static_cast<std::uint64_t>(where.first)},
         {"blocks", std::uint64_t{where.blocks}}});
    return fail(EUCLEAN, "blob: content does not check");
  }
  std::memcpy(into.data(), buffer.data() + skip, into.size());
  return {};
}

}  // namespace

Extent extent_of(const BlobExtent& extent) {
  const std::uint64_t first = extent.first;
  return {.first = BlockNo{first}, .blocks = extent.blocks, .birth = extent.birth};
}

Result<std::string> write_blob(Volume& volume, Transaction& transaction,
                               std::span<const Bytes> parts) {
  std::uint64_t bytes = 0;
  for (const Bytes part : parts) bytes += part.size();
  if (bytes > kBlobBytesMax) return fail(EFBIG, "blob: too large");

  std::vector<BlobExtent> extents;
  if (auto written = write_extents(volume, parts, bytes, extents); !written) {
    for (const BlobExtent& extent : extents) volume.release(extent_of(extent));
    return std::unexpected(written.error());
  }
  for (const BlobExtent& extent : extents) transaction.adopt(extent_of(extent));
  const BlobHeader header{.magic = kBlobMagic,
                          .version = kBlobVersion,
                          .extents = static_cast<std::uint16_t>(extents.size()),
                          .bytes = bytes,
                          .check = reference_check(bytes, extents)};
  std::string reference(as_text(bytes_of(header)));
  reference += as_text(std::as_bytes(std::span(extents)));
  return reference;
}

Result<> read_blob(Volume& volume, Bytes reference, std::uint64_t offset, MutableBytes into) {
  VEXFS_TRY(const Reference blob, decode(reference));
  if (offset > blob.bytes || into.size() > blob.bytes - offset)
    return fail(ERANGE, "blob: read past its end");
  for (const BlobExtent& extent : blob.extents) {
    if (into.empty()) break;
    const std::uint64_t bytes = std::uint64_t{extent.blocks} * kBlockBytes;
    if (offset >= bytes) {
      offset -= bytes;
      continue;
    }
    const std::size_t n = std::min<std::uint64_t>(into.size(), bytes - offset);
    VEXFS_CHECK(read_extent(volume, extent, offset, into.first(n)));
    into = into.subspan(n);
    offset = 0;
  }
  return {};
}

Result<std::uint64_t> blob_bytes(Bytes reference) {
  VEXFS_TRY(const Reference blob, decode(reference));
  return blob.bytes;
}

Result<std::vector<BlobExtent>> blob_extents(Bytes reference) {
  VEXFS_TRY(Reference blob, decode(reference));
  return std::move(blob.extents);
}

Result<> free_blob(Transaction& transaction, Bytes reference) {
  VEXFS_TRY(const Reference blob, decode(reference));
  for (const BlobExtent& extent : blob.extents) transaction.free(extent_of(extent));
  return {};
}

}  // namespace vexfs
