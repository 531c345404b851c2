// SPDX-License-Identifier: Apache-2.0
#include "search/chunk_text.h"

#include "base/hash.h"

namespace vexfs {

std::optional<std::string> read_range(FileView& files, Ino ino, std::uint64_t offset,
                                      std::uint32_t bytes) {
  std::string content(bytes, '\0');
  const auto got = files.read(ino, offset, std::as_writable_bytes(std::span(content)));
  if (!got || *got != bytes) return std::nullopt;
  return content;
}

std::optional<std::string> text_of_chunk(FileView& files, const FileRecords& records, Ino ino,
                                         std::uint32_t number, const ChunkRecord& record) {
  if (record.bytes == 0) {
    std::string text = records.chunk_text(ino, number);
    if (hash64(as_bytes(text)) != record.hash) return std::nullopt;
    return text;
  }
  const auto bytes = read_range(files, ino, record.offset, record.bytes);
  if (!bytes || hash64(as_bytes(*bytes)) != record.hash) return std::nullopt;
  return text_of_range(content_of(record), as_bytes(*bytes));
}

}  // namespace vexfs
