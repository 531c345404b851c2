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
  FileExtent part{.block = from,
                  .blocks = static_cast<std::uint32_t>(to - from),
                  .kind = kind,
                  .first = BlockNo{static_cast<std::uint64_t>(first) + (from - block)},
                  .birth = birth,
                  .checks = {},
                  .bytes = bytes};
  if (kind == ExtentKind::data)
    part.checks.assign(checks.begin() + static_cast<std::ptrdiff_t>(from - block),
                       checks.begin() + static_cast<std::ptrdiff_t>(to - block));
  return part;
}

std::string FileExtent::encode() const {
  if (!on_disk()) {
    VEXFS_ASSERT(bytes.size() < kValueBytesMax);
    return std::string(1, static_cast<char>(kind)) + bytes;
  }
  const FileExtentHeader header{.kind = static_cast<std::uint8_t>(kind),
                                .codec = 0,
                                .reserved = std::uint16_t{0},
                                .blocks = blocks,
                                .first = static_cast<std::uint64_t>(first),
                                .birth = birth,
                                .disk_blocks = blocks,
                                .raw_offset = 0u};
  std::string value(as_text(bytes_of(header)));
  VEXFS_ASSERT(checks.size() == (kind == ExtentKind::data ? blocks : 0));
  for (const std::uint64_t check : checks) value += as_text(bytes_of(le64(check)));
  return value;
}

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
  if (header.codec != 0 || header.reserved != 0 || header.raw_offset != 0 ||
      header.disk_blocks != out.blocks || out.blocks == 0 || out.blocks > kExtentBlocksMax)
    return fail(EUCLEAN, "extent: record with bad fields");
  value = value.subspan(sizeof header);
  out.checks.resize(out.kind == ExtentKind::data ? out.blocks : 0);
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
