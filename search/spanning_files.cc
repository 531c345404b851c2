// SPDX-License-Identifier: Apache-2.0
#include "search/spanning_files.h"

#include "search/space_format.h"

namespace vexfs {

Result<> SpanningFiles::open() {
  std::set<Ino> found;
  const Key to = Key().u8('l' + 1);
  VEXFS_CHECK(volume_.scan(Tree::chunk, search_key::spanning(Ino{0}), to, [&](Bytes key, Bytes) {
    KeyReader reader(key);
    reader.u8();
    found.insert(Ino{reader.u64()});
    return true;
  }));
  Lock lock(mutex_);
  files_ = std::move(found);
  return {};
}

Result<> SpanningFiles::put(Ino ino, bool spans) {
  if (contains(ino) == spans) return {};
  Transaction transaction;
  if (spans)
    transaction.put(Tree::chunk, search_key::spanning(ino), {});
  else
    transaction.erase(Tree::chunk, search_key::spanning(ino));
  VEXFS_CHECK(volume_.commit(transaction, {.freeing = !spans}));
  Lock lock(mutex_);
  if (spans)
    files_.insert(ino);
  else
    files_.erase(ino);
  return {};
}

bool SpanningFiles::contains(Ino ino) const {
  Lock lock(mutex_);
  return files_.contains(ino);
}

std::vector<Ino> SpanningFiles::all() const {
  Lock lock(mutex_);
  return {files_.begin(), files_.end()};
}

}  // namespace vexfs
