// SPDX-License-Identifier: Apache-2.0
// FilesCheck: what must hold among the trees that Files keeps: inodes, names, ways back, content,
// attributes, orphans and intents.
//
// Tells names and extents what their inode says of them, and what is derived (ways back, counts,
// sizes of directories) apart from truth. For the former, and for what can be put right without
// a guess, it notes the pairs that a repair writes.
// Memory: about 100 bytes an inode and 40 a name.
// Threads: one.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/inode.h"
#include "storage/check_fix.h"
#include "storage/check_image.h"
#include "storage/file_extent.h"

namespace vexfs {

class FilesCheck {
 public:
  FilesCheck(const CheckImage& image, CheckReport& report, CheckFixes& fixes)
      : image_(image), report_(report), fixes_(fixes) {}
  void run();

  // For those who keep records about inodes. After run().
  bool knows_inodes() const { return inodes_whole_; }
  bool has_inode(std::uint64_t ino) const { return find(ino) != nullptr; }

 private:
  using Number = std::uint64_t;
  struct Known {  // an inode, and what the other trees say of it
    Number ino = 0;
    mode_t mode = 0;
    std::uint32_t links = 0, xattr_bytes = 0;
    Number size = 0, blocks = 0, parent = 0;
    bool orphan = false, truncating = false, reached = false;
    std::uint32_t names = 0, subdirectories = 0, xattr_bytes_found = 0;
    Number entries = 0, blocks_found = 0, named_in = 0;
    bool directory() const { return S_ISDIR(mode); }
    std::uint32_t links_found() const;
  };
  struct Name {
    Number ino = 0, parent = 0, cookie = 0, hash = 0;
    auto operator<=>(const Name&) const = default;
  };
  const Known* find(Number ino) const;
  Known* find(Number ino) { return const_cast<Known*>(std::as_const(*this).find(ino)); }

  void load_inodes();
  void load_orphans();
  void load_intents();
  void check_names();
  void check_name(Number parent, Number cookie, Bytes key, Bytes value);
  bool check_cookie(const Name& name, std::string_view text, Bytes key, Bytes value);
  std::optional<std::uint64_t> free_cookie(Ino parent, std::uint64_t first, std::string_view text);
  void check_backrefs();
  void lost_name(Bytes key, const Name& back, std::string_view text);
  void check_extents();
  void check_extent(Number ino, Bytes key, Bytes value);
  void check_riders();
  void check_xattrs();
  void check_xattr(Number ino, Bytes key, Bytes value);
  void end_xattrs();
  bool readable_inode(Number ino, Known*& inode, const char* code, Tree tree, Bytes key);
  void check_counts(Known& inode);
  void check_reached();
  void reconnect(Known& inode);
  void fix_inode(const Known& inode);
  void check_numbers();
  void warn(const char* code, Number ino, std::string sentence);
  void find_error(const char* code, std::string where, std::string sentence, bool repairable);

  const CheckImage& image_;
  CheckReport& report_;
  CheckFixes& fixes_;
  std::vector<Known> inodes_;  // by number
  // Whether every record could be read: else what is missing may be there.
  bool inodes_whole_ = true, names_whole_ = true, extents_whole_ = true, xattrs_whole_ = true;
  std::vector<Name> names_;
  // Names that a repair moves, by directory and first cookie of their hash.
  std::map<std::pair<Number, Number>, std::vector<std::string>> moved_;
  struct {
    Number ino = 0, end = 0;
  } last_extent_;
  std::set<FileExtentGroup> groups_;  // compressed extents of that inode
  struct {
    Number ino = 0;
    std::map<std::string, Number> rest;  // by hash and collision: bytes that further parts hold
  } values_;
};

}  // namespace vexfs
