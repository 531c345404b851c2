// SPDX-License-Identifier: Apache-2.0
#include "search/engine_records.h"

#include <algorithm>

#include "base/text.h"

namespace vexfs {

std::optional<FileRecord> FileRecords::file(Ino ino) const {
  std::string value;
  FileRecord record;
  if (!volume_.get(Tree::chunk, search_key::file(ino), value) ||
      !read_record(as_bytes(value), record))
    return std::nullopt;
  return record;
}

std::string FileRecords::remark(Ino ino) const {
  std::string value;
  if (!volume_.get(Tree::chunk, search_key::file(ino), value)) return {};
  return value.substr(std::min(sizeof(FileRecord), value.size()));
}

std::optional<ChunkRecord> FileRecords::chunk(Ino ino, std::uint32_t number) const {
  std::string value;
  ChunkRecord record;
  if (!volume_.get(Tree::chunk, search_key::chunk(ino, number), value) ||
      !read_record(as_bytes(value), record))
    return std::nullopt;
  return record;
}

std::string FileRecords::chunk_text(Ino ino, std::uint32_t number) const {
  std::string value;
  if (!volume_.get(Tree::chunk, search_key::chunk(ino, number), value)) return {};
  return value.substr(std::min(sizeof(ChunkRecord), value.size()));
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
        const std::uint32_t part = reader.u32();
        RunRecord record;
        if (reader.failed() || !read_record(value, record)) return false;
        all.push_back({.part = part, .slot = record.slot, .count = record.count});
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
  return Run{.part = kOwnVector, .slot = record.slot, .count = record.count};
}

std::vector<Slot> FileRecords::slots(std::uint32_t space, Ino ino, std::uint32_t parts) const {
  std::vector<Slot> all(parts, kNoSlot);
  for (const Run& run : runs(space, ino))
    for (std::uint32_t i = 0; i < run.count && run.part + i < parts; ++i)
      all[run.part + i] = run.slot + i;
  return all;
}

Collection::Computed FileRecords::space_of(const FileRecord& record) const {
  const auto collection = collections_.find(root_of(record));
  if (!collection) return {};
  if (is_rows(record)) return {.space = collection->user(), .text = nullptr, .embedder = nullptr};
  return collection->computed();
}

bool FileRecords::holds(Ino ino, const FileRecord& record) const {
  if (record.parts == 0) return true;
  const auto space = space_of(record).space;
  if (!space) return false;
  const SpaceColumns& columns = space->columns();
  const auto alive = [&](Slot slot, std::uint64_t check) {
    return slot < columns.size() && columns.ino(slot) == ino && columns.check(slot) == check &&
           columns.generation(slot) == record.generation;
  };
  std::uint32_t counted = 0;
  if (is_rows(record)) {
    for (const Run& run : runs(space->identity().id, ino))
      for (std::uint32_t i = 0; i < run.count; ++i, ++counted)
        if (!alive(run.slot + i, run.part + i)) return false;
  } else {
    const std::vector<Slot> slots = this->slots(space->identity().id, ino, record.parts);
    for (const ChunkRecord& chunk : chunks(ino)) {
      if (counted == slots.size() || !alive(slots[counted], chunk.hash)) return false;
      ++counted;
    }
  }
  return counted == record.parts;
}

Result<> FileRecords::commit_if_large(Transaction& transaction) {
  if (transaction.bytes() > kTransactionBytesMax / 2) VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::replace_runs(Transaction& transaction, std::uint32_t space, Ino ino,
                                   std::span<const Run> runs) {
  for (const Run& run : this->runs(space, ino)) {
    transaction.erase(Tree::vector, search_key::run(space, ino, run.part));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  for (const Run& run : runs) {
    const RunRecord stored{.slot = run.slot, .count = run.count};
    transaction.put(Tree::vector, search_key::run(space, ino, run.part), bytes_of(stored));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  return {};
}

Result<> FileRecords::put_chunks(Ino ino, const FileRecord& record, const Placed& placed) {
  Transaction transaction;
  std::uint32_t number = 0;
  for (; number < placed.chunks.size(); ++number) {
    std::string value(as_text(bytes_of(placed.chunks[number])));
    if (!placed.texts.empty()) value += placed.texts[number];
    transaction.put(Tree::chunk, search_key::chunk(ino, number), as_bytes(value));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  const auto before = file(ino);
  for (; before && number < before->parts; ++number) {
    transaction.erase(Tree::chunk, search_key::chunk(ino, number));
    VEXFS_CHECK(commit_if_large(transaction));
  }
  VEXFS_CHECK(replace_runs(transaction, placed.space, ino, runs_of(placed.slots)));
  std::string value(as_text(bytes_of(record)));
  value += placed.remark;
  transaction.put(Tree::chunk, search_key::file(ino), as_bytes(value));
  VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::put_runs(Ino ino, const FileRecord& record, const PlacedRows& placed) {
  Transaction transaction;
  VEXFS_CHECK(replace_runs(transaction, placed.space, ino, placed.runs));
  std::string value(as_text(bytes_of(record)));
  if (placed.left_out != 0) value += format("left_out={}", placed.left_out);
  transaction.put(Tree::chunk, search_key::file(ino), as_bytes(value));
  VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::put_skipped(Ino ino, FileRecord record, std::string_view why) {
  VEXFS_CHECK(forget(ino));
  record.kind = static_cast<std::uint8_t>(FileKind::skipped);
  record.parts = 0;
  std::string value(as_text(bytes_of(record)));
  value += why.substr(0, kValueBytesMax - value.size());
  Transaction transaction;
  transaction.put(Tree::chunk, search_key::file(ino), as_bytes(value));
  VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

Result<> FileRecords::forget(Ino ino) {
  for (;;) {
    const auto record = file(ino);
    if (!record) return {};
    const Collection::Computed in = space_of(*record);
    if (!in.space) return forget_parts(ino, *record, in);
    const SpaceChange change(in.space->gate(), ino);
    if (change.allowed()) return forget_parts(ino, *record, in);
  }
}

Result<> FileRecords::forget_parts(Ino ino, const FileRecord& record,
                                   const Collection::Computed& in) {
  Transaction transaction;
  std::vector<std::uint64_t> hashes;
  if (!is_rows(record)) {
    for (const ChunkRecord& chunk : chunks(ino)) {
      transaction.erase(Tree::chunk,
                        search_key::chunk(ino, static_cast<std::uint32_t>(hashes.size())));
      hashes.push_back(chunk.hash);
      VEXFS_CHECK(commit_if_large(transaction));
    }
  }
  if (in.space) {
    const SpaceColumns& columns = in.space->columns();
    for (const Run& run : runs(in.space->identity().id, ino)) {
      for (std::uint32_t i = 0; i < run.count; ++i) {
        const Slot slot = run.slot + i;
        const std::uint32_t part = run.part + i;
        if (slot >= columns.size() || columns.ino(slot) != ino) continue;
        if (!is_rows(record) && part >= hashes.size()) continue;
        if (columns.check(slot) != (is_rows(record) ? part : hashes[part])) continue;
        in.space->kill(slot);
        if (in.text) in.text->erase(slot);
      }
    }
    VEXFS_CHECK(replace_runs(transaction, in.space->identity().id, ino, {}));
  }
  transaction.erase(Tree::chunk, search_key::file(ino));
  VEXFS_CHECK(volume_.commit(transaction, {.freeing = true}));
  return {};
}

FileRecord file_record(std::string_view name, const FileFacts& facts,
                       const Collection& collection) {
  return {.version = kSearchRecordVersion,
          .kind = static_cast<std::uint8_t>(FileKind::text),
          .suffix = suffix_of(name),
          .parts = 0,
          .generation = facts.generation,
          .collection = static_cast<std::uint64_t>(collection.root())};
}

std::vector<Run> runs_of(std::span<const Slot> slots) {
  std::vector<Run> runs;
  for (std::uint32_t part = 0; part < slots.size(); ++part) {
    if (!runs.empty() && runs.back().slot + runs.back().count == slots[part])
      ++runs.back().count;
    else
      runs.push_back({.part = part, .slot = slots[part], .count = 1});
  }
  return runs;
}

}  // namespace vexfs
