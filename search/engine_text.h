// SPDX-License-Identifier: Apache-2.0
// TextIndexer: from a file's text to chunks that can be found, by their words and by the vectors
// that the collection's embedder gives them.
//
// Chunks that are as they were keep their slots, vectors and postings: a file that grows costs
// what has been added. Threads: any; one at a time for a file. Calls FileView.
#pragma once
#include <string>

#include "search/engine_records.h"
#include "search/engine_state.h"
#include "search/extract.h"

namespace vexfs {

class TextIndexer {
 public:
  TextIndexer(EngineState& state, FileRecords& records) : state_(state), records_(records) {}

  // ESTALE: it changed while it was read. kReplaced: the space was, meanwhile.
  Result<> index_file(Ino ino, const std::string& name, const FileFacts& facts,
                      Collection& collection);

 private:
  Result<> read_foreign(Ino ino, std::uint64_t size, Bytes head, Extracted& extracted);
  EngineState& state_;
  FileRecords& records_;
};

}  // namespace vexfs
