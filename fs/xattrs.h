// SPDX-License-Identifier: Apache-2.0
// Xattrs: extended attributes in the trees. Functions over Volume and Transaction without locks:
// the caller's lock on the inode keeps the parts of a value together.
#pragma once
#include <string>
#include <string_view>

#include "storage/volume.h"

namespace vexfs {

// ENODATA.
Result<std::string> get_xattr(Volume& volume, Ino ino, std::string_view name, Wait wait);
// Adds the name and its value, or a new value, to the transaction. `flags`: XATTR_CREATE
// (EEXIST), XATTR_REPLACE (ENODATA). Returns whether the name is new.
Result<bool> put_xattr(Volume& volume, Transaction& transaction, Ino ino, std::string_view name,
                       Bytes value, int flags, Wait wait);
// ENODATA.
Result<> erase_xattr(Volume& volume, Transaction& transaction, Ino ino, std::string_view name,
                     Wait wait);
// Names, each ended by NUL.
Result<std::string> list_xattrs(Volume& volume, Ino ino, Wait wait);
// At most `parts_max` parts of whatever the inode has; true when that was all.
Result<bool> erase_xattrs(Volume& volume, Transaction& transaction, Ino ino, std::size_t parts_max,
                          Wait wait);

}  // namespace vexfs
