// SPDX-License-Identifier: Apache-2.0
// SearchCheck: what search keeps in trees, against itself and the inodes.
//
// Nothing here is truth: all of it can be made again from content and attributes. So findings are
// warnings, and the repair of all of them is one: drop what is derived, owe every file.
// Threads: one.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "storage/check.h"
#include "storage/check_fix.h"
#include "storage/check_image.h"

namespace vexfs {

// References of Tree::space, for CheckOptions.
Result<> search_references(Tree tree, Bytes key, Bytes value, std::vector<BlockReference>& into);

// Erases all that is derived; the blocks of its blobs are left to the map's repair. Whoever
// calls it owes every file again.
Result<> drop_search(Volume& volume);

class SearchCheck {
 public:
  // `has_inode`: whether there is one; nothing, when inodes could not all be read.
  using HasInode = std::function<bool(std::uint64_t ino)>;
  SearchCheck(const CheckImage& image, HasInode has_inode, CheckReport& report, CheckFixes& fixes)
      : image_(image), has_inode_(std::move(has_inode)), report_(report), fixes_(fixes) {}
  void run();

 private:
  struct Space {
    std::uint32_t slots = 0;
    std::map<char, std::uint32_t> next;  // slot that the next piece of a kind begins with
  };
  void check_spaces();
  void check_space(Bytes key, Bytes value);
  void check_piece(char kind, Bytes key, Bytes value);
  void check_runs();
  void check_chunks();
  void check_queue();
  void check_collections();
  void warn(const char* code, std::string where, std::string sentence);

  const CheckImage& image_;
  const HasInode has_inode_;
  CheckReport& report_;
  CheckFixes& fixes_;
  std::map<std::uint32_t, Space> spaces_;  // by id
  std::set<std::uint64_t> owed_;           // inodes that the queue names
};

}  // namespace vexfs
