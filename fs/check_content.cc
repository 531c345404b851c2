// SPDX-License-Identifier: Apache-2.0
// Extents and attributes against inodes.
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "fs/check_files.h"
#include "fs/xattr_format.h"
#include "storage/file_extent.h"

namespace vexfs {

// The inode that a record is of; false (and a finding) when there is none.
bool FilesCheck::readable_inode(Number ino, Known*& inode, const char* code, Tree tree, Bytes key) {
  inode = find(ino);
  if (inode != nullptr) return true;
  if (!inodes_whole_) return false;  // it may be one that cannot be read
  find_error(code, format("inode {}", ino),
             format("is not there, but tree {} has a record of it", name_of(tree)), true);
  fixes_.erase(tree, key);
  return false;
}

void FilesCheck::check_extents() {
  extents_whole_ = image_.scan(Tree::extent, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64();
    check_extent(ino, key, value);
    return true;
  }) && extents_whole_;
}

void FilesCheck::check_extent(Number ino, Bytes key, Bytes value) {
  const auto extent = FileExtent::decode(key, value);
  Known* inode = nullptr;
  if (!extent) {
    extents_whole_ = false;  // named by the check of the volume
    return;
  }
  if (!readable_inode(ino, inode, "extent-nothing", Tree::extent, key)) return;
  const std::string where = format("inode {}, file block {}", ino, extent->block);
  if (last_extent_.ino != ino) groups_.clear();
  if (last_extent_.ino == ino && extent->block < last_extent_.end)
    find_error("extent-overlap", where, "its blocks are also those of the record before", false);
  last_extent_ = {.ino = ino, .end = extent->end()};
  const bool target = extent->kind == ExtentKind::target;
  if (target != S_ISLNK(inode->mode) || (!target && !S_ISREG(inode->mode)))
    find_error("extent-kind", where, "a file of this type has no such content", false);
  if (target && extent->bytes.size() != inode->size)
    find_error("target-size", where, "the target is not as long as the inode says", false);
  if (!extent->on_disk()) return;
  CheckCounts& counts = report_.counts;
  if (extent->compressed()) counts.compressed_raw_blocks += extent->blocks;
  // Pieces of one compressed extent hold its blocks together.
  if (extent->compressed() && !groups_.insert(extent->group()).second) return;
  inode->blocks_found += extent->where().blocks;
  if (extent->compressed()) counts.compressed_stored_blocks += extent->where().blocks;
}

// Bytes that were synced and have no place yet.
void FilesCheck::check_riders() {
  image_.scan(Tree::rider, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64(), block = reader.u64();
    Known* inode = nullptr;
    if (!readable_inode(ino, inode, "rider-nothing", Tree::rider, key)) return true;
    if (reader.failed() || value.size() > kBlockBytes || block * kBlockBytes >= inode->size)
      find_error("rider", format("inode {}, file block {}", ino, block),
                 "content that was synced, beyond the end of the file", false);
    return true;
  });
}

void FilesCheck::check_xattrs() {
  xattrs_whole_ = image_.scan(Tree::xattr, [&](Bytes key, Bytes value) {
    const Number ino = KeyReader(key).u64();
    if (ino != values_.ino) end_xattrs();
    values_.ino = ino;
    check_xattr(ino, key, value);
    return true;
  }) && xattrs_whole_;
  end_xattrs();
}

// Part 0 of every name of an inode comes before all further parts.
void FilesCheck::check_xattr(Number ino, Bytes key, Bytes value) {
  KeyReader reader(key);
  reader.u64();
  const std::uint8_t part = reader.u8();
  const std::string place(reader.text());
  Known* inode = nullptr;
  if (!readable_inode(ino, inode, "xattr-nothing", Tree::xattr, key)) return;
  const auto bad = [&](const char* what) {
    xattrs_whole_ = false;
    find_error("xattr", format("inode {}", ino), what, false);
  };
  if (place.size() != sizeof(std::uint64_t) + 1) return bad("an attribute's key of a bad size");
  if (part > 0) {
    const auto rest = values_.rest.find(place);
    if (rest == values_.rest.end() || value.size() > rest->second)
      return bad("a part of an attribute's value that belongs to no name");
    rest->second -= value.size();
    return;
  }
  XattrRecord record;
  if (value.size() < sizeof record) return bad("an attribute's record is cut off");
  std::memcpy(&record, value.data(), sizeof record);
  const Bytes rest = value.subspan(sizeof record);
  if (record.reserved != XattrRecord{}.reserved || record.name_bytes == 0 ||
      rest.size() < record.name_bytes || rest.size() - record.name_bytes > record.bytes)
    return bad("an attribute's record has bad fields");
  const Bytes name = rest.first(record.name_bytes);
  if (KeyReader(as_bytes(place)).u64() != hash64(name) >> 1)
    return bad("an attribute that cannot be looked up");
  inode->xattr_bytes_found += record.name_bytes + 1U;
  values_.rest[place] = record.bytes - (rest.size() - record.name_bytes);
}

void FilesCheck::end_xattrs() {
  for (const auto& [place, missing] : values_.rest)
    if (missing > 0)
      find_error("xattr", format("inode {}", values_.ino),
                 "the end of an attribute's value is lost", false);
  values_.rest.clear();
}

}  // namespace vexfs
