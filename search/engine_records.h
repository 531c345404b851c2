// SPDX-License-Identifier: Apache-2.0
// FileRecords: what is recorded of one file in the trees, read and replaced by who works on it.
// Threads: any; one at a time for a file.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "search/collection_set.h"
#include "search/space_format.h"
#include "storage/volume.h"

namespace vexfs {

// Parts (chunks or rows) of one file in consecutive slots.
struct Run {
  std::uint32_t part = 0;
  Slot slot = 0;
  std::uint32_t count = 0;
};

class FileRecords {
 public:
  FileRecords(Volume& volume, CollectionSet& collections)
      : volume_(volume), collections_(collections) {}

  // Nothing: never indexed, or failed since.
  std::optional<FileRecord> file(Ino ino) const;
  // What stands behind the record: why the file was skipped, what was left out of it.
  std::string remark(Ino ino) const;
  std::optional<ChunkRecord> chunk(Ino ino, std::uint32_t number) const;
  std::vector<ChunkRecord> chunks(Ino ino) const;
  // Kept for a chunk whose file does not have it as bytes.
  std::string chunk_text(Ino ino, std::uint32_t number) const;
  // The parts of a file in this space; without kOwnVector.
  std::vector<Run> runs(std::uint32_t space, Ino ino) const;
  std::optional<Run> own_vector(std::uint32_t space, Ino ino) const;
  // By part, of the first `parts`; kNoSlot for one that has none.
  std::vector<Slot> slots(std::uint32_t space, Ino ino, std::uint32_t parts) const;

  // Whether every part that `record` counts is alive in memory for its generation.
  bool holds(Ino ino, const FileRecord& record) const;

  // Replaces what is recorded in as many transactions as it takes, the file's record last; in a
  // SpaceChange of the space. A slot for each chunk.
  struct Placed {
    std::uint32_t space = 0;
    std::span<const ChunkRecord> chunks;
    std::span<const Slot> slots;
    std::span<const std::string_view> texts = {};  // of the chunks, to be kept; none: the file's
    std::string_view remark = {};                  // behind the record
  };
  Result<> put_chunks(Ino ino, const FileRecord& record, const Placed& placed);
  // `left_out`: rows of the file that nobody can hold.
  struct PlacedRows {
    std::uint32_t space = 0;
    std::span<const Run> runs;
    std::uint64_t left_out = 0;
  };
  Result<> put_runs(Ino ino, const FileRecord& record, const PlacedRows& placed);
  // Instead of parts, why there are none.
  Result<> put_skipped(Ino ino, FileRecord record, std::string_view why);
  // Forgets chunks, rows and record (not the user's own vector), and kills their slots.
  Result<> forget(Ino ino);

 private:
  // The space that has the file's parts; null pointers for none.
  Collection::Computed space_of(const FileRecord& record) const;
  Result<> commit_if_large(Transaction& transaction);
  Result<> replace_runs(Transaction& transaction, std::uint32_t space, Ino ino,
                        std::span<const Run> runs);
  Result<> forget_parts(Ino ino, const FileRecord& record, const Collection::Computed& in);
  Volume& volume_;
  CollectionSet& collections_;
};

// Of a file that nothing has been made of yet.
FileRecord file_record(std::string_view name, const FileFacts& facts, const Collection& collection);
// Consecutive parts in consecutive slots as runs.
std::vector<Run> runs_of(std::span<const Slot> slots);

}  // namespace vexfs
