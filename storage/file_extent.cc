// SPDX-License-Identifier: Apache-2.0
#include "storage/file_extent.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"

namespace vexfs {

FileExtent FileExtent::cut(std::uint64_t from, std::uint64_t to) const {
  from = std::max(from, block);
  to = std::min(to, end());
  VEXFS_ASSERT(from < to);
  FileExtent part = *this;
  const auto skip = static_cast<std::uint32_t>(from - block);
  part.block = from;
  part.blocks = static_cast<std::uint32_t>(to - from);
  if (compressed()) {
    part.raw_offset += skip;
    return part;
  }
  part.first = BlockNo{static_cast<std::uint64_t>(first) + skip};
  if (kind == ExtentKind::data)
    part.checks.assign(checks.begin() + skip, checks.begin() + skip + part.blocks);
  return part;
}

std::string FileExtent::encode() const {
  if (!on_disk()) {
    VEXFS_ASSERT(bytes.size() < kValueBytesMax);
    return std::string(1, static_cast<char>(kind)) + bytes;
  }
  const std::uint32_t stored = where().blocks;
  const FileExtentHeader header{.kind = static_cast<std::uint8_t>(kind),
                                .codec = static_cast<std::uint8_t>(codec),
                                .raw_blocks = static_cast<std::uint16_t>(raw_blocks),
                                .blocks = blocks,
                                .first = static_cast<std::uint64_t>(first),
                                .birth = birth,
                                .disk_blocks = stored,
                                .raw_offset = raw_offset};
  std::string value(as_text(bytes_of(header)));
  VEXFS_ASSERT(checks.size() == (kind == ExtentKind::data ? stored : 0));
  for (const std::uint64_t check : checks) value += as_text(bytes_of(le64(check)));
  return value;
}

namespace {

// Numbers that fit each other.
bool plausible(const FileExtent& extent, std::uint32_t disk_blocks) {
  if (extent.blocks == 0 || extent.blocks > kExtentBlocksMax) return false;
  if (!extent.compressed())
    return extent.codec == Codec::none && disk_blocks == extent.blocks && extent.raw_offset == 0 &&
           extent.raw_blocks == 0;
  return extent.codec == Codec::zstd && extent.kind == ExtentKind::data && disk_blocks != 0 &&
         disk_blocks < extent.raw_blocks && extent.raw_blocks <= kCompressedBlocksMax &&
         extent.raw_offset < extent.raw_blocks &&
         extent.blocks <= extent.raw_blocks - extent.raw_offset;
}

}  // namespace

Result<FileExtent> FileExtent::decode(Bytes key, Bytes value) {
  KeyReader reader(key);
  reader.u64();
  FileExtent out{.block = reader.u64(), .blocks = 1};
  if (reader.failed() || value.empty()) return fail(EUCLEAN, "extent: record cut off");
  out.kind = static_cast<ExtentKind>(value.front());
  if (out.kind == ExtentKind::inline_bytes || out.kind == ExtentKind::target) {
    out.bytes = as_text(value.subspan(1));
    if (out.block != 0 || (out.kind == ExtentKind::inline_bytes && out.bytes.size() > kBlockBytes))
      return fail(EUCLEAN, "extent: inline bytes of a bad size or place");
    return out;
  }
  FileExtentHeader header;
  if (!out.on_disk() || value.size() < sizeof header)
    return fail(EUCLEAN, "extent: record of no known kind");
  std::memcpy(&header, value.data(), sizeof header);
  const std::uint64_t first = header.first;
  out.blocks = header.blocks;
  out.first = BlockNo{first};
  out.birth = header.birth;
  out.codec = static_cast<Codec>(header.codec);
  out.raw_blocks = header.raw_blocks;
  out.raw_offset = header.raw_offset;
  const std::uint32_t disk_blocks = header.disk_blocks;
  if (!plausible(out, disk_blocks)) return fail(EUCLEAN, "extent: record with bad fields");
  if (out.compressed()) out.disk_blocks = disk_blocks;
  value = value.subspan(sizeof header);
  out.checks.resize(out.kind == ExtentKind::data ? disk_blocks : 0);
  if (value.size() != out.checks.size() * sizeof(le64))
    return fail(EUCLEAN, "extent: checksums missing");
  for (std::size_t i = 0; i < out.checks.size(); ++i) {
    le64 check;
    std::memcpy(&check, value.data() + i * sizeof check, sizeof check);
    out.checks[i] = check;
  }
  return out;
}

}  // namespace vexfs
