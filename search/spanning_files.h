// SPDX-License-Identifier: Apache-2.0
// SpanningFiles: files with names in more than one collection, which come about when a directory is
// made a root while a file in it has another name outside. Such a file is indexed in the collection
// of its first name; a question whose scope holds any of its names asks that collection, too.
// Threads: any; put() of one file by one at a time.
#pragma once
#include <set>
#include <vector>

#include "base/mutex.h"
#include "storage/volume.h"

namespace vexfs {

class SpanningFiles {
 public:
  explicit SpanningFiles(Volume& volume) : volume_(volume) {}

  Result<> open();
  // Commits only what is new.
  Result<> put(Ino ino, bool spans);
  bool contains(Ino ino) const;
  std::vector<Ino> all() const;

 private:
  Volume& volume_;
  mutable Mutex mutex_;
  std::set<Ino> files_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
