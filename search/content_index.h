// SPDX-License-Identifier: Apache-2.0
// ContentIndex: what fs/ tells search about changes. The log_* calls add records to the change's
// own transaction, so a crash loses none; the others follow once it is committed.
//
// A result is valid only while its rows carry the file's present content generation, so nothing
// here has to win a race against a running query.
//
// Threads: any. fs holds the inode's lock in the log_* calls and may hold it in the ones that
// follow; neither calls FileView. In the check_* calls, which do, it holds no lock at all.
#pragma once
#include <cstdint>
#include <span>

#include "base/result.h"
#include "storage/transaction.h"
#include "storage/types.h"

namespace vexfs {

class ContentIndex {
 public:
  virtual ~ContentIndex() = default;

  // The transaction logs content of this generation of a regular file.
  virtual void log_changed(Transaction&, Ino, std::uint64_t /*generation*/) {}
  // The transaction removes the inode for good.
  virtual void log_removed(Transaction&, Ino) {}
  // The transaction sets or removes user.vexfs.vector.
  virtual void log_vector(Transaction&, Ino) {}
  // The transaction moves a file to another parent: where that is in another collection, the
  // file is owed to it. After check_move() of the same move.
  virtual void log_moved(Transaction&, Ino, Ino /*from*/, Ino /*to*/) {}

  // Received new content (not yet in the log); starts the timers of INTERFACE §7.
  virtual void changed(Ino) {}
  // A writer closed it: indexing may start.
  virtual void closed(Ino) {}
  virtual void removed(Ino) {}  // last name and last handle are gone
  // A name was added, removed or moved. `from` and `to` are parents (0: none).
  virtual void moved(Ino, Ino /*from*/, Ino /*to*/) {}
  // user.vexfs.vector is set (committed); searchable when this returns. Empty: removed.
  virtual void vector_set(Ino, std::span<const float>) {}

  // EINVAL for a vector that nobody can hold: NaN, Inf, dimension 0 or over 4096, zero under
  // the cosine of its collection. One that does not fit its collection is fine (parked).
  virtual Result<> check_vector(Ino, std::span<const float>) { return {}; }
  // EXDEV when the move needs what only a copy can give (INTERFACE §9, Moving).
  virtual Result<> check_move(Ino, Ino /*from*/, Ino /*to*/) { return {}; }
};

}  // namespace vexfs
