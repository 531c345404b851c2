// SPDX-License-Identifier: Apache-2.0
// What the engine keeps in trees. Twin of doc/FORMAT.md, section "Search".
//
//   tree        key                                value
//   collection  root ino                           CollectionRecord, then the embedder's name and,
//                                                  behind a NUL, the lines of "ignore"
//   space       's' collection ino, SpaceKind      SpaceRecord, then the embedder's identity
//               'r' space id, first slot           PieceRecord, then a blob: owners, checks, rows
//               't' space id, first slot           PieceRecord, then a blob: postings
//               'g' space id, piece                a blob: a piece of the graph
//               'e' space id, 0                    a blob: what its embedder has learnt
//   vector      space id, ino, first part          RunRecord; part kOwnVector: the user's vector
//   chunk       'f' ino                            FileRecord, then why it was skipped
//               'c' ino, chunk                     ChunkRecord; where its bytes are 0, its text
//               'i' ino                            RuleFileRecord: it is a .vexfsignore
//               'l' ino                            nothing: it has names in several collections
//   queue       ino, Owed, sequence                reason (failed, parked) or nothing
//
// Only the vectors of users and what is owed are truth, and both also follow from fs' xattrs and
// content; a record that does not check is derived again. A slot is alive when a run names it and
// its owner's check agrees, so liveness and generations are stored once. Only keys with a space's
// id say where something stands in it: another space can be made beside it, and one record that
// is replaced switches all files over (space_rebuild.h).
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "base/hash.h"
#include "base/key.h"
#include "storage/types.h"

namespace vexfs {

// The numbers are part of the format.
enum class SpaceKind : std::uint8_t { user = 0, computed = 1 };

// What the engine owes a file or directory until pieces are saved. The sequence keeps the records
// of fs' transactions and the erases of the saver on different keys, so neither waits.
enum class Owed : std::uint8_t {
  content = 0,  // sequence: content generation
  vector = 1,   // sequence: rises with each change of user.vexfs.vector
  gone = 2,     // the inode is removed: erase what is recorded of it
  rescan = 3,   // a directory: files below it may belong to another collection now
  failed = 4,   // not owed any more: the reason why it cannot be indexed
  parked = 5,   // a user's vector that does not fit its collection, and why
};

inline constexpr std::uint32_t kOwnVector = 0xffffffffu;  // in place of a part: set by the user
inline constexpr std::uint8_t kSearchRecordVersion = 1;

struct CollectionRecord {  //  offset
  std::uint8_t version;    //   0
  std::uint8_t given;      //   1  bits: 1 dimension, 2 metric, 4 embedder, 8 no defaults
  std::uint8_t metric;     //   2  Metric
  std::uint8_t recall;     //   3  target in half percents, at most 200; 0 where not given
  le32 dimension;          //   4
};
static_assert(sizeof(CollectionRecord) == 8 && std::is_trivially_copyable_v<CollectionRecord>);

struct SpaceRecord {     //  offset
  std::uint8_t version;  //   0
  std::uint8_t metric;   //   1  Metric
  le16 reserved;         //   2  zero; checked on read
  le32 id;               //   4  never used again
  le32 dimension;        //   8  0: no vectors, text only
  le32 slots;            //  12  high-water mark of what is saved; slots from here are void
  le32 graph_slots;      //  16  slots the saved graph covers
  le32 graph_pieces;     //  20
};
static_assert(sizeof(SpaceRecord) == 24 && alignof(SpaceRecord) == 1);

struct PieceRecord {  //  offset
  le32 slots;         //   0  how many, from the key's first slot
};
static_assert(sizeof(PieceRecord) == 4);

struct RunRecord {  //  offset
  le32 slot;        //   0  of the key's part (chunk or row); the parts after it follow
  le32 count;       //   4
};
static_assert(sizeof(RunRecord) == 8);

// What was made of a file. The numbers are part of the format.
enum class FileKind : std::uint8_t { text = 0, rows = 1, skipped = 2 };

struct FileRecord {      //  offset
  std::uint8_t version;  //   0
  std::uint8_t kind;     //   1  FileKind
  le16 suffix;           //   2  suffix_of() the name it was read under
  le32 parts;            //   4  chunks or rows
  le64 generation;       //   8  of the content that was indexed
  le64 collection;       //  16  ino of the root; its space of this kind has the parts
};
static_assert(sizeof(FileRecord) == 24 && alignof(FileRecord) == 1);
static_assert(offsetof(FileRecord, collection) == 16);

inline Ino root_of(const FileRecord& record) {
  return Ino{static_cast<std::uint64_t>(record.collection)};
}
inline bool is_rows(const FileRecord& record) {
  return record.kind == static_cast<std::uint8_t>(FileKind::rows);
}

struct ChunkRecord {     //  offset
  le64 offset;           //   0  bytes of the file
  le32 bytes;            //   8
  le32 first;            //  12  lines or page
  le32 last;             //  16
  le64 hash;             //  20  XXH3 of the bytes
  std::uint8_t locator;  //  28  Locator::Kind; ContentKind in the upper half
};
static_assert(sizeof(ChunkRecord) == 29 && alignof(ChunkRecord) == 1);
static_assert(offsetof(ChunkRecord, hash) == 20);

struct RuleFileRecord {      //  offset
  std::uint8_t version;      //   0
  std::uint8_t reserved[7];  //   1  zero
  le64 directory;            //   8  ino; of what is below it the rules speak
  le64 generation;           //  16  of the content that was obeyed
};
static_assert(sizeof(RuleFileRecord) == 24 && alignof(RuleFileRecord) == 1);

namespace search_key {
inline Key collection(Ino root) {
  return Key().u64(static_cast<std::uint64_t>(root));
}
inline Key space(Ino root, SpaceKind kind) {
  return Key().u8('s').u64(static_cast<std::uint64_t>(root)).u8(static_cast<std::uint8_t>(kind));
}
inline Key piece(char kind, std::uint32_t space_id, std::uint32_t first) {
  return Key().u8(static_cast<std::uint8_t>(kind)).u32(space_id).u32(first);
}
inline Key run(std::uint32_t space_id, Ino ino, std::uint32_t part) {
  return Key().u32(space_id).u64(static_cast<std::uint64_t>(ino)).u32(part);
}
inline Key file(Ino ino) {
  return Key().u8('f').u64(static_cast<std::uint64_t>(ino));
}
inline Key rules(Ino ino) {
  return Key().u8('i').u64(static_cast<std::uint64_t>(ino));
}
inline Key spanning(Ino ino) {
  return Key().u8('l').u64(static_cast<std::uint64_t>(ino));
}
inline Key chunk(Ino ino, std::uint32_t number) {
  return Key().u8('c').u64(static_cast<std::uint64_t>(ino)).u32(number);
}
inline Key owed(Ino ino, Owed what, std::uint64_t sequence) {
  return Key()
      .u64(static_cast<std::uint64_t>(ino))
      .u8(static_cast<std::uint8_t>(what))
      .u64(sequence);
}
}  // namespace search_key

// Tells names of different types apart: a file renamed to another type is read anew.
inline std::uint16_t suffix_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return 0;
  return static_cast<std::uint16_t>(hash64(as_bytes(name.substr(dot))));
}

// A record at the front of a value; nothing when it is too short or of another version.
template <class Record>
bool read_record(Bytes value, Record& record) {
  if (value.size() < sizeof record) return false;
  std::memcpy(&record, value.data(), sizeof record);
  if constexpr (requires { record.version; }) return record.version == kSearchRecordVersion;
  return true;
}

}  // namespace vexfs
