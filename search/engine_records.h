// SPDX-License-Identifier: Apache-2.0
// FileRecords: what is recorded of one file in the trees, read and replaced by who works on it.
// Threads: any; one at a time for a file.
#pragma once
#include <optional>
#include <vector>

#include "search/collection_set.h"
#include "search/space_format.h"
#include "storage/volume.h"

namespace vexfs {

struct Run {
  std::uint32_t row = 0;
  Slot slot = 0;
  std::uint32_t count = 0;
};

class FileRecords {
 public:
  FileRecords(Volume& volume, CollectionSet& collections)
      : volume_(volume), collections_(collections) {}

  // Nothing: never indexed, or failed since.
  std::optional<FileRecord> file(Ino ino) const;
  std::optional<ChunkRecord> chunk(Ino ino, std::uint32_t number) const;
  std::vector<ChunkRecord> chunks(Ino ino) const;
  // Rows of a file of vectors; without kOwnVector.
  std::vector<Run> runs(std::uint32_t space, Ino ino) const;
  std::optional<Run> own_vector(std::uint32_t space, Ino ino) const;

  // Whether every part that `record` counts is alive in memory for its generation.
  bool holds(Ino ino, const FileRecord& record) const;

  // Replaces what is recorded in as many transactions as it takes, the file's record last.
  Result<> put_chunks(Ino ino, const FileRecord& record, const std::vector<ChunkRecord>& chunks,
                      std::uint32_t old_count);
  Result<> put_runs(Ino ino, const FileRecord& record, const std::vector<Run>& old,
                    const std::vector<Run>& runs);
  // Forgets chunks, rows and record (not the user's own vector), and kills their slots.
  Result<> forget(Ino ino);

 private:
  Result<> commit_if_large(Transaction& transaction);
  Volume& volume_;
  CollectionSet& collections_;
};

}  // namespace vexfs
