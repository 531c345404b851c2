// SPDX-License-Identifier: Apache-2.0
// RowIndexer: the vectors that people bring. Files of vectors go row by row into the user space
// of their collection, and so does the one vector that a user sets on a file.
//
// A row that is already there with the same values keeps its slot, so a file that grows or is
// changed in place costs what has changed. What does not fit its collection is parked: kept by
// fs, named in the status, taken in when a collection fits.
// Threads: any; one at a time for a file. Calls FileView.
#pragma once
#include <span>
#include <string>

#include "search/engine_records.h"
#include "search/engine_state.h"
#include "vector/row_file.h"

namespace vexfs {

class RowIndexer {
 public:
  RowIndexer(EngineState& state, FileRecords& records) : state_(state), records_(records) {}

  enum class Outcome { indexed, parked };
  // A file whose name says that it holds rows. EINVAL: it does not. ESTALE: it changed while it
  // was read. kReplaced: the space was, meanwhile.
  Result<Outcome> index_file(Ino ino, const std::string& name, const FileFacts& facts,
                             Collection& collection);
  // The present value of user.vexfs.vector into the space, or out of it.
  void place_vector(Ino ino, std::uint64_t sequence);
  // Takes a removed file's own vector out of whatever space it is in.
  Result<> withdraw_vector(Ino ino);

 private:
  struct Fit {
    std::shared_ptr<Space> space;  // null: it does not fit
    std::string why;
  };
  Result<Fit> fit(Collection& collection, std::uint32_t dimension);
  // kReplaced: the space was replaced meanwhile.
  Result<> place(Ino ino);
  Result<> put_vector(Collection& collection, Space& space, Ino ino, std::span<const float> vector);
  Result<> park(Ino ino, const std::string& why);

  EngineState& state_;
  FileRecords& records_;
};

}  // namespace vexfs
