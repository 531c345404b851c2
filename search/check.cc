// SPDX-License-Identifier: Apache-2.0
#include "search/check.h"

#include "base/text.h"
#include "search/space_format.h"
#include "storage/blob.h"

namespace vexfs {

namespace {

std::string hex_of(Bytes key) {
  std::string hex;
  for (const std::byte b : key) hex += format("{:02x}", std::to_integer<unsigned>(b));
  return hex;
}

}  // namespace

Result<> search_references(Tree tree, Bytes key, Bytes value, std::vector<BlockReference>& into) {
  if (tree != Tree::space || key.empty()) return {};
  const char kind = as_text(key).front();
  if (kind == 's') return {};
  // Rows and postings begin with the number of their slots.
  const std::size_t head = kind == 'r' || kind == 't' ? sizeof(PieceRecord) : 0;
  if (value.size() < head) return fail(EUCLEAN, "space: a piece is cut off");
  VEXFS_TRY(const auto extents, blob_extents(value.subspan(head)));
  for (const BlobExtent& each : extents)
    into.push_back({.extent = extent_of(each), .checks = {std::uint64_t{each.check}}});
  return {};
}

Result<> drop_search(Volume& volume) {
  for (const Tree tree : {Tree::vector, Tree::chunk, Tree::space, Tree::queue}) {
    for (bool more = true; more;) {
      constexpr std::size_t kRecordsMax = 1000;
      Transaction transaction;
      VEXFS_CHECK(volume.scan(tree, {}, {}, [&](Bytes key, Bytes) {
        transaction.erase(tree, key);
        return transaction.records() < kRecordsMax;
      }));
      more = !transaction.empty();
      VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume.commit(transaction, {.freeing = true}));
    }
  }
  return {};
}

void SearchCheck::warn(const char* code, std::string where, std::string sentence) {
  fixes_.search_again = true;
  report_.add({.code = code,
               .severity = Severity::warning,
               .where = std::move(where),
               .sentence = std::move(sentence),
               .repairable = true});
}

void SearchCheck::run() {
  check_queue();
  check_collections();
  check_spaces();
  check_runs();
  check_chunks();
  report_.counts.spaces = spaces_.size();
}

void SearchCheck::check_queue() {
  image_.scan(Tree::queue, [&](Bytes key, Bytes) {
    KeyReader reader(key);
    const std::uint64_t ino = reader.u64();
    const std::uint8_t owed = reader.u8();
    reader.u64();
    if (reader.failed() || owed > static_cast<std::uint8_t>(Owed::parked))
      warn("queue-record", format("queue, key {}", hex_of(key)), "owes what nobody knows");
    owed_.insert(ino);
    return true;
  });
}

void SearchCheck::check_collections() {
  image_.scan(Tree::collection, [&](Bytes key, Bytes value) {
    const std::uint64_t root = KeyReader(key).u64();
    const std::string where = format("collection of directory {}", root);
    CollectionRecord record;
    if (!read_record(value, record)) {
      // Settings of people: search cannot make them again.
      report_.add({.code = "collection-record",
                   .severity = Severity::error,
                   .where = where,
                   .sentence = "its settings cannot be read"});
    } else if (has_inode_ && !has_inode_(root) && !owed_.contains(root)) {
      report_.add({.code = "collection-nothing",
                   .severity = Severity::warning,
                   .where = where,
                   .sentence = "the directory is not there",
                   .repairable = true});
      fixes_.erase(Tree::collection, key);
    }
    return true;
  });
}

void SearchCheck::check_spaces() {
  image_.scan(Tree::space, [&](Bytes key, Bytes value) {
    if (as_text(key).front() == 's') check_space(key, value);
    return true;
  });
  image_.scan(Tree::space, [&](Bytes key, Bytes value) {
    const char kind = as_text(key).front();
    if (kind != 's') check_piece(kind, key, value);
    return true;
  });
  for (const auto& [id, space] : spaces_) {
    const auto rows = space.next.find('r');
    if (space.slots > 0 && (rows == space.next.end() || rows->second < space.slots))
      warn("space-rows", format("space {}", id), "pieces of its rows are missing");
  }
}

void SearchCheck::check_space(Bytes key, Bytes value) {
  SpaceRecord record;
  if (!read_record(value, record) || record.reserved != 0)
    return warn("space-record", format("space, key {}", hex_of(key)), "cannot be read");
  Space& space = spaces_[record.id];
  if (!space.next.empty() || space.slots != 0)
    return warn("space-twice", format("space {}", std::uint32_t{record.id}), "is recorded twice");
  space.slots = record.slots;
  space.next['r'] = 0;
}

void SearchCheck::check_piece(char kind, Bytes key, Bytes value) {
  KeyReader reader(key);
  reader.u8();
  const std::uint32_t id = reader.u32(), first = reader.u32();
  const auto space = spaces_.find(id);
  const std::string where = format("space {}, piece {} {}", id, kind, first);
  if (reader.failed() || std::string_view("rtge").find(kind) == std::string_view::npos)
    return warn("piece-key", format("space, key {}", hex_of(key)), "is no piece of a space");
  std::vector<BlockReference> references;
  if (!search_references(Tree::space, key, value, references))
    return warn("piece-reference", where, "its blob cannot be found");
  if (space == spaces_.end()) return;  // of a space that was being made: the next mount erases it
  if (kind != 'r' && kind != 't') return;
  PieceRecord record;
  read_record(value, record);
  if (kind == 'r' && first != space->second.next[kind])
    return warn("piece-order", where, "does not follow the piece before");
  space->second.next[kind] = first + record.slots;
}

void SearchCheck::check_runs() {
  std::map<std::uint32_t, std::vector<bool>> named;  // slots, by space
  image_.scan(Tree::vector, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const std::uint32_t id = reader.u32();
    const std::uint64_t ino = reader.u64();
    const std::uint32_t part = reader.u32();
    const std::string where = format("space {}, inode {}, part {}", id, ino, part);
    RunRecord run;
    if (reader.failed() || !read_record(value, run)) {
      warn("run-record", where, "cannot be read");
      return true;
    }
    report_.counts.vectors += run.count;
    const auto space = spaces_.find(id);
    if (space == spaces_.end()) return true;  // as of a piece
    if (has_inode_ && !has_inode_(ino) && !owed_.contains(ino))
      warn("run-owner", where, "its file is not there");
    // Slots that were not saved are void, and their files in the queue.
    const std::uint64_t end = std::uint64_t{run.slot} + run.count;
    if (end > space->second.slots) {
      if (!owed_.contains(ino)) warn("run-void", where, "is in no saved slot, and nobody owes it");
      return true;
    }
    auto& slots = named[id];
    slots.resize(space->second.slots);
    for (std::uint64_t slot = run.slot; slot < end; ++slot) {
      if (slots[slot]) warn("slot-twice", where, format("slot {} is also another's", slot));
      slots[slot] = true;
    }
    return true;
  });
}

void SearchCheck::check_chunks() {
  std::uint64_t file = 0;
  image_.scan(Tree::chunk, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const char kind = static_cast<char>(reader.u8());
    const std::uint64_t ino = reader.u64();
    const std::string where = format("chunks of inode {}", ino);
    if (kind == 'f') {
      FileRecord record;
      if (reader.failed() || !read_record(value, record))
        warn("file-record", where, "what was made of the file cannot be read");
    } else if (kind == 'c') {
      ChunkRecord record;
      reader.u32();
      if (reader.failed() || !read_record(value, record))
        warn("chunk-record", where, "a chunk cannot be read");
      ++report_.counts.chunks;
    } else if (kind != 'l' && kind != 'i') {  // names in several collections; rules
      warn("chunk-key", format("chunk, key {}", hex_of(key)), "is no chunk of a file");
    }
    if (ino != file && has_inode_ && !has_inode_(ino) && !owed_.contains(ino))
      warn("chunk-owner", where, "the file is not there");
    file = ino;
    return true;
  });
}

}  // namespace vexfs
