// SPDX-License-Identifier: Apache-2.0
// Directory: the names in the trees. Functions over Volume and Transaction without locks: the
// caller's lock on the directory orders changes; reading without one sees each entry as it was
// at some moment of the call.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/function_ref.h"
#include "storage/volume.h"

namespace vexfs {

struct Dentry {
  std::uint64_t cookie = 0;
  Ino ino{};
  mode_t type = 0;  // type bits of the mode
};

class Directory {
 public:
  // `seed`: VolumeInfo::id_low.
  Directory(Volume& volume, std::uint64_t seed, Ino ino)
      : volume_(volume), seed_(seed), ino_(ino) {}

  // ENOENT.
  Result<Dentry> find(std::string_view name, Wait wait) const;
  // The cookie that a new entry gets. EEXIST when the name is there; ENOSPC when 65,536 names
  // have one hash.
  Result<std::uint64_t> free_cookie(std::string_view name, Wait wait) const;
  Result<bool> empty(Wait wait) const;

  // Entries with a cookie over `after`, in its order, until `visit` says false. `visit` must not
  // call the volume.
  using Visit = FunctionRef<bool(const Dentry&, std::string_view name)>;
  Result<> list(std::uint64_t after, Visit visit, Wait wait) const;

  // The entry and the way back from the inode to it.
  void put(Transaction& transaction, std::string_view name, const Dentry& entry) const;
  void erase(Transaction& transaction, const Dentry& entry) const;

 private:
  Result<> probe(std::string_view name, Visit visit, Wait wait) const;
  std::uint64_t first_cookie(std::string_view name) const;

  Volume& volume_;
  const std::uint64_t seed_;
  const Ino ino_;
};

// The names of an inode, until `visit` says false; `visit` must not call the volume.
using VisitBackref = FunctionRef<bool(Ino parent, std::uint64_t cookie, std::string_view name)>;
Result<> names_of(Volume& volume, Ino ino, VisitBackref visit, Wait wait);

}  // namespace vexfs
