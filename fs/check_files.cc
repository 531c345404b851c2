// SPDX-License-Identifier: Apache-2.0
// Inodes and names; check_content.cc has extents and attributes.
#include "fs/check_files.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/text.h"
#include "fs/dentry_format.h"

namespace vexfs {

namespace {
constexpr std::uint64_t kEntryBytes = 32;  // what a directory's size counts for each
constexpr std::uint64_t kRoot = static_cast<std::uint64_t>(kRootIno);

std::string of_inode(std::uint64_t ino) {
  return format("inode {}", ino);
}
}  // namespace

std::uint32_t FilesCheck::Known::links_found() const {
  if (!directory()) return names;
  return orphan && names == 0 ? 0 : 2 + subdirectories;
}

const FilesCheck::Known* FilesCheck::find(Number ino) const {
  const auto at = std::ranges::lower_bound(inodes_, ino, {}, &Known::ino);
  return at != inodes_.end() && at->ino == ino ? &*at : nullptr;
}

void FilesCheck::warn(const char* code, Number ino, std::string sentence) {
  report_.add({.code = code,
               .severity = Severity::warning,
               .where = of_inode(ino),
               .sentence = std::move(sentence),
               .repairable = true});
}

void FilesCheck::find_error(const char* code, std::string where, std::string sentence,
                            bool repairable) {
  report_.add({.code = code,
               .severity = Severity::error,
               .where = std::move(where),
               .sentence = std::move(sentence),
               .repairable = repairable});
}

void FilesCheck::run() {
  load_inodes();
  load_orphans();
  load_intents();
  check_names();
  check_backrefs();
  check_extents();
  check_riders();
  check_xattrs();
  check_reached();
  for (Known& inode : inodes_) check_counts(inode);
  check_numbers();
}

void FilesCheck::load_inodes() {
  inodes_whole_ = image_.scan(Tree::inode, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number ino = reader.u64();
    const auto inode = Inode::decode(value);
    if (reader.failed() || !reader.text().empty() || !inode) {
      inodes_whole_ = false;
      find_error("inode-record", of_inode(ino), inode ? "a key of a bad size" : inode.error().what,
                 false);
      return true;
    }
    inodes_.push_back({.ino = ino,
                       .mode = inode->mode,
                       .links = inode->links,
                       .xattr_bytes = inode->xattr_bytes,
                       .size = inode->size,
                       .blocks = inode->blocks,
                       .parent = static_cast<Number>(inode->parent)});
    return true;
  }) && inodes_whole_;
  report_.counts.inodes = inodes_.size();
  const Known* const root = find(kRoot);
  if (inodes_whole_ && !inodes_.empty() && (root == nullptr || !root->directory()))
    find_error("root", of_inode(kRoot), "the root directory is missing", false);
}

void FilesCheck::load_orphans() {
  image_.scan(Tree::orphan, [&](Bytes key, Bytes) {
    const Number ino = KeyReader(key).u64();
    if (Known* const inode = find(ino)) {
      inode->orphan = true;
    } else if (inodes_whole_) {
      warn("orphan-nothing", ino, "is to be removed, but is not there");
      fixes_.erase(Tree::orphan, key);
    }
    return true;
  });
}

void FilesCheck::load_intents() {
  image_.scan(Tree::intent, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const std::uint8_t kind = reader.u8();
    if (kind != kIntentTruncate) return true;
    const Number ino = reader.u64();
    Known* const inode = find(ino);
    if (inode != nullptr && value.size() == sizeof(Number)) {
      inode->truncating = true;
    } else if (inodes_whole_) {
      warn("intent-nothing", ino, "a truncation is to be finished of what is not there");
      fixes_.erase(Tree::intent, key);
    }
    return true;
  });
}

void FilesCheck::check_names() {
  names_whole_ = image_.scan(Tree::dentry, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Number parent = reader.u64(), cookie = reader.u64();
    if (reader.failed() || !reader.text().empty())
      find_error("name-record", "tree dentry", "a key of a bad size", false);
    else
      check_name(parent, cookie, key, value);
    return true;
  }) && names_whole_;
  std::ranges::sort(names_);
  report_.counts.names = names_.size();
}

void FilesCheck::check_name(Number parent, Number cookie, Bytes key, Bytes value) {
  DentryRecord record;
  const std::string where = format("directory {}, entry {:016x}", parent, cookie);
  if (value.size() <= sizeof record || value.size() > sizeof record + 255) {
    names_whole_ = false;
    return find_error("name-record", where, "a record of a bad size", false);
  }
  std::memcpy(&record, value.data(), sizeof record);
  const std::string_view text = as_text(value.subspan(sizeof record));
  const Name name{
      .ino = record.ino, .parent = parent, .cookie = cookie, .hash = hash64(as_bytes(text))};
  Known* const inode = find(name.ino);
  if (inode == nullptr) {
    if (!inodes_whole_) return;  // it may be one that cannot be read
    find_error("name-nothing", where,
               format("\"{}\" names inode {}, which is not there", text, name.ino), true);
    return fixes_.erase(Tree::dentry, key);
  }
  Known* const directory = find(parent);
  if (directory == nullptr || !directory->directory()) {
    if (directory == nullptr && !inodes_whole_) return;
    find_error("name-parent", where, format("\"{}\" stands in what is no directory", text), true);
    return fixes_.erase(Tree::dentry, key);  // check_reached() gives the inode another name
  }
  if (inode->directory() && inode->names > 0) {
    find_error("directory-twice", where,
               format("\"{}\" is a second name of directory {}", text, name.ino), true);
    return fixes_.erase(Tree::dentry, key);
  }
  if (!check_cookie(name, text, key, value)) return;
  if (mode_t{record.type} << 12 != (inode->mode & S_IFMT)) {
    warn("name-type", name.ino, format("is of another type than its name \"{}\" says", text));
    record.type = static_cast<std::uint8_t>((inode->mode & S_IFMT) >> 12);
    std::string right(as_text(bytes_of(record)));
    fixes_.put(Tree::dentry, key, as_bytes(right.append(text)));
  }
  ++inode->names;
  ++directory->entries;
  inode->named_in = parent;
  if (inode->directory()) ++directory->subdirectories;
  names_.push_back(name);
}

// False: it does not stay. A name that stands where nobody looks it up moves to where it belongs;
// where another one has that place, or it could never be a name, its inode may have to be found
// again.
bool FilesCheck::check_cookie(const Name& name, std::string_view text, Bytes key, Bytes value) {
  const std::uint64_t hash = hash64(as_bytes(text), image_.facts().id_low) >> (64 - 47);
  const std::uint64_t first = (hash == 0 ? 1 : hash) << kCollisionBits;
  const bool fits = name.cookie >> kCollisionBits == first >> kCollisionBits;
  const bool is_name =
      text.find('/') == text.npos && text.find('\0') == text.npos && text != "." && text != "..";
  if (fits && is_name) return true;
  const std::string where = format("directory {}, entry {:016x}", name.parent, name.cookie);
  find_error("name-place", where, "a name that cannot stand there: it cannot be looked up", true);
  const Ino ino{name.ino}, parent{name.parent};
  fixes_.erase(Tree::dentry, key);
  fixes_.erase(Tree::backref, backref_key(ino, parent, name.cookie));
  const auto cookie = is_name ? free_cookie(parent, first, text) : std::nullopt;
  if (!cookie) return false;
  fixes_.put(Tree::dentry, dentry_key(parent, *cookie), value);
  fixes_.put(Tree::backref, backref_key(ino, parent, *cookie), as_bytes(text));
  return true;
}

// Where a name whose hash begins at `first` may stand; none: it stands there already.
std::optional<std::uint64_t> FilesCheck::free_cookie(Ino parent, std::uint64_t first,
                                                     std::string_view text) {
  auto& moved = moved_[{static_cast<Number>(parent), first}];
  std::uint64_t free = first;
  bool exists = std::ranges::find(moved, text) != moved.end();
  image_.scan(Tree::dentry, dentry_key(parent, first),
              dentry_key(parent, first + (std::uint64_t{1} << kCollisionBits)),
              [&](Bytes key, Bytes value) {
                exists |= value.size() > sizeof(DentryRecord) &&
                          as_text(value.subspan(sizeof(DentryRecord))) == text;
                KeyReader reader(key);
                reader.u64();
                free = std::max(free, reader.u64() + 1);
                return !exists;
              });
  free += moved.size();
  if (exists || free >> kCollisionBits != first >> kCollisionBits) return std::nullopt;
  moved.emplace_back(text);
  return free;
}

// Both in the order of keys: each name has its way back, with the same text.
void FilesCheck::check_backrefs() {
  auto name = names_.begin();
  const auto missing = [&] {
    warn("backref-missing", name->ino,
         format("has no way back to its name in directory {}", name->parent));
    const auto key = dentry_key(Ino{name->parent}, name->cookie);
    if (const auto value = image_.get(Tree::dentry, key))
      fixes_.put(Tree::backref, backref_key(Ino{name->ino}, Ino{name->parent}, name->cookie),
                 as_bytes(*value).subspan(sizeof(DentryRecord)));
    ++name;
  };
  const bool whole = image_.scan(Tree::backref, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Name back{
        .ino = reader.u64(), .parent = reader.u64(), .cookie = reader.u64(), .hash = hash64(value)};
    const auto place = [](const Name& n) { return std::tuple(n.ino, n.parent, n.cookie); };
    while (name != names_.end() && place(*name) < place(back)) missing();
    if (name != names_.end() && place(*name) == place(back)) {
      if (name->hash == back.hash)
        ++name;
      else
        missing();
    } else if (names_whole_ && inodes_whole_) {
      lost_name(key, back, as_text(value));
    }
    return true;
  });
  while (whole && name != names_.end()) missing();
}

// A way back from an inode to a name that is not there.
void FilesCheck::lost_name(Bytes key, const Name& back, std::string_view text) {
  Known* const inode = find(back.ino);
  Known* const directory = find(back.parent);
  const bool wanted = inode != nullptr && directory != nullptr && directory->directory() &&
                      (inode->directory() ? inode->names == 0 : inode->names < inode->links) &&
                      !inode->orphan;
  const auto dentry = dentry_key(Ino{back.parent}, back.cookie);
  if (!wanted || image_.get(Tree::dentry, dentry)) {
    warn("backref-nothing", back.ino, format("has a way back to a name that is not there"));
    return fixes_.erase(Tree::backref, key);
  }
  find_error(
      "name-lost", of_inode(back.ino),
      format("its name \"{}\" in directory {} is lost, but for the way back", text, back.parent),
      true);
  const DentryRecord record{.ino = back.ino,
                            .type = static_cast<std::uint8_t>((inode->mode & S_IFMT) >> 12),
                            .reserved = {}};
  std::string value(as_text(bytes_of(record)));
  fixes_.put(Tree::dentry, dentry, as_bytes(value.append(text)));
  ++inode->names;
  ++directory->entries;
  inode->named_in = back.parent;
  if (inode->directory()) ++directory->subdirectories;
}

// Whoever has a name is below the root, unless directories go round in a ring.
void FilesCheck::check_reached() {
  if (!inodes_whole_ || !names_whole_) return;
  for (Known& inode : inodes_) {
    std::vector<Known*> way;
    for (Known* at = &inode; at != nullptr && !at->reached; at = find(at->named_in)) {
      at->reached = true;
      way.push_back(at);
      if (at->ino == kRoot || at->named_in == 0) break;
    }
    if (way.empty()) continue;
    Known& top = *way.back();
    if (top.ino == kRoot || top.named_in == 0) continue;
    const Known* const above = find(top.named_in);
    if (std::ranges::find(way, above) != way.end())
      find_error("directory-ring", of_inode(top.ino), "directories contain each other in a ring",
                 false);
  }
  for (Known& inode : inodes_) {
    if (inode.ino == kRoot || inode.names > 0 || inode.orphan) continue;
    reconnect(inode);
  }
}

// Without a name: one that no name was left to is removed, another one is found again.
void FilesCheck::reconnect(Known& inode) {
  if (inode.links == 0) {
    warn("inode-nameless", inode.ino, "has no name left and is not on the list of orphans");
    inode.orphan = true;
    return fixes_.put(Tree::orphan, ino_key(Ino{inode.ino}), {});
  }
  find_error("inode-lost", of_inode(inode.ino), "no name leads to it", true);
  fixes_.find_again.push_back(inode.ino);
}

void FilesCheck::check_counts(Known& inode) {
  bool right = true;
  const auto differ = [&](const char* code, const char* what, Number says, Number is) {
    if (says == is) return;
    right = false;
    warn(code, inode.ino, format("says {} {}, there are {}", says, what, is));
  };
  const bool found_again =
      std::ranges::find(fixes_.find_again, inode.ino) != fixes_.find_again.end();
  if (names_whole_ && inodes_whole_ && !found_again) {
    differ("links", "links", inode.links, inode.links_found());
    if (inode.directory()) {
      ++report_.counts.directories;
      differ("directory-size", "bytes of entries", inode.size, inode.entries * kEntryBytes);
      const Number parent = inode.ino == kRoot ? kRoot : inode.named_in;
      if (inode.names > 0 || inode.ino == kRoot)
        differ("directory-parent", "as its parent", inode.parent, parent);
    }
  }
  if (extents_whole_) differ("blocks", "blocks", inode.blocks, inode.blocks_found);
  if (xattrs_whole_)
    differ("xattr-bytes", "bytes of attribute names", inode.xattr_bytes, inode.xattr_bytes_found);
  if (!right) fix_inode(inode);
}

void FilesCheck::fix_inode(const Known& known) {
  const auto record = image_.get(Tree::inode, ino_key(Ino{known.ino}));
  auto inode = record ? Inode::decode(as_bytes(*record)) : fail(EIO, "");
  if (!inode) return;
  const bool found_again =
      std::ranges::find(fixes_.find_again, known.ino) != fixes_.find_again.end();
  if (names_whole_ && inodes_whole_ && !found_again) {
    inode->links = known.links_found();
    if (known.directory()) {
      inode->size = known.entries * kEntryBytes;
      if (known.names > 0) inode->parent = Ino{known.named_in};
      if (known.ino == kRoot) inode->parent = kRootIno;
    }
  }
  if (extents_whole_) inode->blocks = known.blocks_found;
  if (xattrs_whole_) inode->xattr_bytes = known.xattr_bytes_found;
  fixes_.put(Tree::inode, ino_key(Ino{known.ino}), bytes_of(inode->encode()));
}

void FilesCheck::check_numbers() {
  if (inodes_.empty()) return;
  const auto stored = image_.get(Tree::meta, as_bytes(kNextInoKey));
  le64 next = std::uint64_t{0};
  if (stored && stored->size() == sizeof next) std::memcpy(&next, stored->data(), sizeof next);
  if (next > inodes_.back().ino) return;
  find_error("next-inode", "tree meta", "inode numbers in use would be given out again", true);
  const le64 right = inodes_.back().ino + 1;
  fixes_.put(Tree::meta, as_bytes(kNextInoKey), bytes_of(right));
}

}  // namespace vexfs
