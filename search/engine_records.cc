// SPDX-License-Identifier: Apache-2.0
#include "search/engine_records.h"

namespace vexfs {

std::optional<FileRecord> FileRecords::file(Ino ino) const {
  std::string value;
  FileRecord record;
  if (!volume_.get(Tree::chunk, search_key::file(ino), value) ||
      !read_record(as_bytes(value), record))
    return std::nullopt;
  return record;
}

std::optional<ChunkRecord> FileRecords::chunk(Ino ino, std::uint32_t number) const {
  std::string value;
  ChunkRecord record;
  if (!volume_.get(Tree::chunk, search_key::chunk(ino, number), value) ||
      !read_record(as_bytes(value), record))
    return std::nullopt;
  return record;
}

std::vector<ChunkRecord> FileRecords::chunks(Ino ino) const {
  std::vector<ChunkRecord> all;
  const Key to = search_key::chunk(Ino{static_cast<std::uint64_t>(ino) + 1}, 0);
  const auto read = volume_.scan(Tree::chunk, search_key::chunk(ino, 0), to, [&](Bytes, Bytes v) {
    ChunkRecord record;
    if (!read_record(v, record)) return false;
    all.push_back(record);
    return true;
  });
  if (!read) all.clear();
  return all;
}

std::vector<Run> FileRecords::runs(std::uint32_t space, Ino ino) const {
  std::vector<Run> all;
  const Key to = search_key::run(space, ino, kOwnVector);
  const auto read =
      volume_.scan(Tree::vector, search_key::run(space, ino, 0), to, [&](Bytes key, Bytes value) {
        KeyReader reader(key);
        reader.u32();
        reader.u64();
        const std::uint32_t row = reader.u32();
        RunRecord record;
        if (reader.failed() || !read_record(value, record)) return false;
        all.push_back({.row = row, .slot = record.slot, .count = record.count});
        return true;
      });
  if (!read) all.clear();
  return all;
}

std::optional<Run> FileRecords::own_vector(std::uint32_t space, Ino ino) const {
  std::string value;
  RunRecord record;
  if (!volume_.get(Tree::vector, search_key::run(space, ino, kOwnVector), value) ||
      !read_record(as_bytes(value), record))
    return std::nullopt;
  return Run{.row = kOwnVector, .slot = record.slot, .count = record.count};
}

bool FileRecords::holds(Ino ino, const FileRecord& record) const {
  if (record.parts == 0) return true;
  const auto space = collections_.space(record.space);
  if (!space) return false;
  const SpaceColumns& columns = space->columns();
  const auto alive = [&](Slot slot, std::uint64_t check) {
    return slot < columns.size() && columns.ino(slot) == ino && columns.check(slot) == check &&
           columns.generation(slot) == record.generation;
  };
  std::uint32_t counted = 0;
  if (is_rows(record)) {
    for (const Run& run : runs(record.space, ino))
      for (std::uint32_t i = 0; i < run.count; ++i, ++counted)
        if (!alive(run.slot + i, run.row + i)) return false;
  } else {
    for (const ChunkRecord& chunk : chunks(ino)) {
      if (!alive(chunk.slot, chunk.hash)) return false;
      ++counted;
    }
  }
  return counted == record.parts;
}

Result<> FileRecords::commit_if_large(Transaction& transaction) {
  if (transaction.bytes() > kTransactionBytesMax / 2) VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::put_chunks(Ino ino, const FileRecord& record,
                                 const std::vector<ChunkRecord>& chunks, std::uint32_t old_count) {
  Transaction transaction;
  std::uint32_t number = 0;
  for (; number < chunks.size(); ++number) {
    transaction.put(Tree::chunk, search_key::chunk(ino, number), bytes_of(chunks[number]));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  for (; number < old_count; ++number) {
    transaction.erase(Tree::chunk, search_key::chunk(ino, number));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  transaction.put(Tree::chunk, search_key::file(ino), bytes_of(record));
  VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::put_runs(Ino ino, const FileRecord& record, const std::vector<Run>& old,
                               const std::vector<Run>& runs) {
  Transaction transaction;
  for (const Run& run : old) {
    transaction.erase(Tree::vector, search_key::run(record.space, ino, run.row));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  for (const Run& run : runs) {
    const RunRecord stored{.slot = run.slot, .count = run.count};
    transaction.put(Tree::vector, search_key::run(record.space, ino, run.row), bytes_of(stored));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  transaction.put(Tree::chunk, search_key::file(ino), bytes_of(record));
  VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::forget(Ino ino) {
  const auto record = file(ino);
  if (!record) return {};
  const auto space = collections_.space(record->space);
  const auto text = collections_.text_of(record->space);
  const auto kill = [&](Slot slot, std::uint64_t check) {
    if (!space || slot >= space->size() || space->columns().ino(slot) != ino ||
        space->columns().check(slot) != check)
      return;
    space->kill(slot);
    if (text) text->erase(slot);
  };
  Transaction transaction;
  if (is_rows(*record)) {
    for (const Run& run : runs(record->space, ino)) {
      for (std::uint32_t i = 0; i < run.count; ++i) kill(run.slot + i, run.row + i);
      transaction.erase(Tree::vector, search_key::run(record->space, ino, run.row));
      VEXFS_CHECK(commit_if_large(transaction));
    }
  } else {
    std::uint32_t number = 0;
    for (const ChunkRecord& chunk : chunks(ino)) {
      kill(chunk.slot, chunk.hash);
      transaction.erase(Tree::chunk, search_key::chunk(ino, number++));
      VEXFS_CHECK(commit_if_large(transaction));
    }
  }
  transaction.erase(Tree::chunk, search_key::file(ino));
  VEXFS_CHECK(volume_.commit(transaction, {.freeing = true}));
  return {};
}

}  // namespace vexfs
