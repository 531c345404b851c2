// SPDX-License-Identifier: Apache-2.0
// IndexWorker: one pass over one file, from what it holds now to what is found of it.
//
//   present content ──> rows of a file of vectors, or chunks of its text ──> records, settled
//
// Always: what is recorded carries the generation that was read; a file that changes meanwhile is
// run again, so the last version wins. A file that fails keeps its reason and hurts no other.
// Threads: any; one pass at a time for a file (IndexQueue sees to it). Calls FileView.
#pragma once
#include "search/engine_records.h"
#include "search/engine_rows.h"
#include "search/engine_state.h"
#include "search/engine_text.h"

namespace vexfs {

class IndexWorker {
 public:
  IndexWorker(EngineState& state, FileRecords& records, RowIndexer& rows, TextIndexer& text)
      : state_(state), records_(records), rows_(rows), text_(text) {}

  // True: it changed under the pass and has to be run again.
  bool run(const IndexTask& task);

 private:
  Result<> forget(Ino ino);
  Result<> rescan(Ino directory);
  struct Found {
    Ino ino{}, parent{};
    std::string name;
  };
  Result<> files_below(Ino directory, FunctionRef<void(const Found&)> visit);
  Result<> recheck(Ino directory, Ino awaited);
  Result<> follow_rules(Ino ino, Ino parent, std::string_view name, std::uint64_t generation);
  Result<> leave_rules(Ino ino);
  Result<> owe(Ino awaited, const std::vector<Ino>& files);
  Result<> index(const IndexTask& task);
  Result<> index_content(Ino ino, const std::string& name, const FileFacts& facts,
                         Collection& collection);
  void fail_file(Ino ino, const Error& error);

  EngineState& state_;
  FileRecords& records_;
  RowIndexer& rows_;
  TextIndexer& text_;
};

}  // namespace vexfs
