// SPDX-License-Identifier: Apache-2.0
// The text of a chunk, from its file or, where the file does not have it as bytes, from the record.
// Threads: any. Calls FileView.
#pragma once
#include <optional>
#include <string>

#include "search/engine_records.h"
#include "search/extract.h"
#include "search/file_view.h"
#include "search/question.h"

namespace vexfs {

inline std::uint8_t locator_byte(Locator::Kind locator, ContentKind content) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(locator) | static_cast<unsigned>(content)
                                                                        << 4);
}
inline Locator::Kind locator_of(const ChunkRecord& record) {
  return static_cast<Locator::Kind>(record.locator & 0x0f);
}
inline ContentKind content_of(const ChunkRecord& record) {
  return static_cast<ContentKind>(record.locator >> 4);
}

// Bytes of a file; nothing when it has not as many.
std::optional<std::string> read_range(FileView& files, Ino ino, std::uint64_t offset,
                                      std::uint32_t bytes);
// Nothing: the file has changed since.
std::optional<std::string> text_of_chunk(FileView& files, const FileRecords& records, Ino ino,
                                         std::uint32_t number, const ChunkRecord& record);

}  // namespace vexfs
