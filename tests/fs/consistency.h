// SPDX-License-Identifier: Apache-2.0
// What must always hold among the trees that Files keeps. With nothing dirty.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "base/text.h"
#include "fs/dentry_format.h"
#include "fs/inode.h"
#include "fs/xattr_format.h"
#include "storage/file_extent.h"
#include "storage/refcount_format.h"
#include "storage/volume.h"

namespace vexfs {

// The first fault; empty: none.
inline std::string inconsistency(Volume& volume) {
  using Number = std::uint64_t;
  std::string fault;
  const auto expect = [&](bool holds, const char* what, Number ino) {
    if (!holds && fault.empty()) fault = format("inode {}: {}", ino, what);
    return holds;
  };
  const auto each = [&](Tree tree, auto visit) {
    const auto scanned = volume.scan(tree, Key().u64(0), {}, visit);
    expect(scanned.has_value(), "a tree cannot be read", static_cast<Number>(tree));
  };
  std::map<Number, Inode> inodes;
  each(Tree::inode, [&](Bytes key, Bytes value) {
    const Number ino = KeyReader(key).u64();
    const auto inode = Inode::decode(value);
    if (expect(inode.has_value(), "a damaged record", ino)) inodes[ino] = *inode;
    return true;
  });
  std::set<Number> orphans;
  each(Tree::orphan, [&](Bytes key, Bytes) {
    orphans.insert(KeyReader(key).u64());
    return true;
  });

  // Each dentry has its way back, and each inode as many names as it says.
  std::set<std::tuple<Number, Number, Number, std::string>> forth, back;
  std::map<Number, Number> names, subdirectories, entries;
  each(Tree::dentry, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number parent = reader.u64(), cookie = reader.u64();
    DentryRecord record;
    if (!expect(value.size() > sizeof record, "a damaged entry", parent)) return false;
    std::memcpy(&record, value.data(), sizeof record);
    const Number ino = record.ino;
    forth.emplace(ino, parent, cookie, as_text(value.subspan(sizeof record)));
    if (!expect(inodes.contains(ino), "a name of nothing", ino)) return false;
    if (!expect(inodes.contains(parent), "names in nothing", parent)) return false;
    expect(inodes[parent].is_directory(), "names in no directory", parent);
    expect((inodes[ino].mode & S_IFMT) == mode_t{record.type} << 12, "another type", ino);
    ++names[ino];
    ++entries[parent];
    if (inodes[ino].is_directory()) {
      ++subdirectories[parent];
      expect(static_cast<Number>(inodes[ino].parent) == parent, "another parent", ino);
    }
    return true;
  });
  each(Tree::backref, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64(), parent = reader.u64(), cookie = reader.u64();
    back.emplace(ino, parent, cookie, as_text(value));
    return true;
  });
  expect(forth == back, "entries and the ways back differ", 0);

  std::map<Number, Number> blocks;
  std::map<Number, Number> references;
  std::map<Number, std::set<FileExtentGroup>> groups;
  Number last = 0, covered = 0;
  each(Tree::extent, [&](Bytes key, Bytes value) {
    const Number ino = KeyReader(key).u64();
    const auto extent = FileExtent::decode(key, value);
    if (!expect(extent.has_value(), "a damaged extent", ino)) return false;
    expect(inodes.contains(ino), "content of nothing", ino);
    if (ino == last) expect(extent->block >= covered, "extents overlap", ino);
    last = ino;
    covered = extent->end();
    if (!extent->on_disk()) return true;
    const Extent where = extent->where();
    for (Number i = 0; i < where.blocks; ++i) ++references[static_cast<Number>(where.first) + i];
    if (!extent->compressed() || groups[ino].insert(extent->group()).second)
      blocks[ino] += where.blocks;
    return true;
  });
  each(Tree::refcount, [&](Bytes key, Bytes value) {
    const auto run = decode_refcount(key, value);
    if (!expect(run.has_value(), "a damaged count", 0)) return true;
    for (Number i = 0; i < run->blocks; ++i) {
      if (const auto found = references.extract(run->first + i))
        expect(found.mapped() == run->count, "a count of references", 0);
      else
        expect(false, "a count of blocks that nothing references", 0);
    }
    return true;
  });
  for (const auto& [block, count] : references) expect(count == 1, "blocks shared uncounted", 0);
  each(Tree::rider, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64();
    expect(inodes.contains(ino) && reader.u64() * kBlockBytes < inodes[ino].size, "a rider", ino);
    expect(value.size() <= kBlockBytes, "size of a rider", ino);
    return true;
  });
  std::map<Number, Number> xattr_bytes;
  each(Tree::xattr, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64();
    expect(inodes.contains(ino), "attributes of nothing", ino);
    if (reader.u8() == 0) xattr_bytes[ino] += std::to_integer<Number>(value[4]) + 1;
    return true;
  });

  for (const auto& [number, inode] : inodes) {
    if (inode.is_directory()) {
      const Number links = orphans.contains(number) ? 0 : 2 + subdirectories[number];
      expect(inode.links == links, "links of a directory", number);
      expect(inode.size == entries[number] * 32, "size of a directory", number);
      expect(number == 1 || names[number] == 1, "names of a directory", number);
    } else {
      expect(inode.links == names[number], "links", number);
      expect(inode.links != 0 || orphans.contains(number), "no name and no orphan", number);
    }
    expect(inode.blocks == blocks[number], "blocks", number);
    expect(inode.xattr_bytes == xattr_bytes[number], "bytes of attributes", number);
  }
  return fault;
}

// The blocks of the volume that files reference.
inline std::set<std::uint64_t> referenced_blocks(Volume& volume) {
  std::set<std::uint64_t> blocks;
  const auto scanned = volume.scan(Tree::extent, Key().u64(0), {}, [&](Bytes key, Bytes value) {
    const auto extent = FileExtent::decode(key, value);
    REQUIRE(extent);
    if (!extent->on_disk()) return true;
    const Extent where = extent->where();
    for (std::uint32_t i = 0; i < where.blocks; ++i)
      blocks.insert(static_cast<std::uint64_t>(where.first) + i);
    return true;
  });
  REQUIRE(scanned);
  return blocks;
}

inline void check_consistent(Volume& volume) {
  CHECK(inconsistency(volume) == "");
}

}  // namespace vexfs
