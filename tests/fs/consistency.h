// SPDX-License-Identifier: Apache-2.0
// check_consistent: what must always hold among the trees that Files keeps. With nothing dirty.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "fs/dentry_format.h"
#include "fs/inode.h"
#include "fs/xattr_format.h"
#include "storage/file_extent.h"
#include "storage/volume.h"

namespace vexfs {

inline void check_consistent(Volume& volume) {
  using Number = std::uint64_t;
  std::map<Number, Inode> inodes;
  REQUIRE(volume.scan(Tree::inode, Key().u64(0), {}, [&](Bytes key, Bytes value) {
    const auto inode = Inode::decode(value);
    REQUIRE(inode);
    inodes[KeyReader(key).u64()] = *inode;
    return true;
  }));
  std::set<Number> orphans;
  REQUIRE(volume.scan(Tree::orphan, Key().u64(0), {}, [&](Bytes key, Bytes) {
    orphans.insert(KeyReader(key).u64());
    return true;
  }));

  // Each dentry has its way back, and each inode as many names as it says.
  std::set<std::tuple<Number, Number, Number, std::string>> forth, back;
  std::map<Number, Number> names, subdirectories, entries;
  REQUIRE(volume.scan(Tree::dentry, Key().u64(0), {}, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number parent = reader.u64(), cookie = reader.u64();
    DentryRecord record;
    REQUIRE(value.size() > sizeof record);
    std::memcpy(&record, value.data(), sizeof record);
    const Number ino = record.ino;
    forth.emplace(ino, parent, cookie, as_text(value.subspan(sizeof record)));
    REQUIRE(inodes.contains(ino));
    REQUIRE(inodes.contains(parent));
    CHECK(inodes[parent].is_directory());
    CHECK((inodes[ino].mode & S_IFMT) == mode_t{record.type} << 12);
    ++names[ino];
    ++entries[parent];
    if (inodes[ino].is_directory()) {
      ++subdirectories[parent];
      CHECK(static_cast<Number>(inodes[ino].parent) == parent);
    }
    return true;
  }));
  REQUIRE(volume.scan(Tree::backref, Key().u64(0), {}, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64(), parent = reader.u64(), cookie = reader.u64();
    back.emplace(ino, parent, cookie, as_text(value));
    return true;
  }));
  CHECK((forth == back));

  std::map<Number, Number> blocks;
  Number last = 0, covered = 0;
  REQUIRE(volume.scan(Tree::extent, Key().u64(0), {}, [&](Bytes key, Bytes value) {
    const Number ino = KeyReader(key).u64();
    const auto extent = FileExtent::decode(key, value);
    REQUIRE(extent);
    CHECK(inodes.contains(ino));
    if (ino == last) CHECK(extent->block >= covered);
    last = ino;
    covered = extent->end();
    if (extent->on_disk()) blocks[ino] += extent->blocks;
    return true;
  }));
  std::map<Number, Number> xattr_bytes;
  REQUIRE(volume.scan(Tree::xattr, Key().u64(0), {}, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64();
    CHECK(inodes.contains(ino));
    if (reader.u8() == 0) xattr_bytes[ino] += std::to_integer<Number>(value[4]) + 1;
    return true;
  }));

  for (const auto& [number, inode] : inodes) {
    CAPTURE(number);
    if (inode.is_directory()) {
      CHECK(inode.links == (orphans.contains(number) ? 0 : 2 + subdirectories[number]));
      CHECK(inode.size == entries[number] * 32);
      CHECK((number == 1 || names[number] == 1));
    } else {
      CHECK(inode.links == names[number]);
      CHECK((inode.links != 0 || orphans.contains(number)));
    }
    CHECK(inode.blocks == blocks[number]);
    CHECK(inode.xattr_bytes == xattr_bytes[number]);
  }
}

}  // namespace vexfs
