// SPDX-License-Identifier: Apache-2.0
// Engine: from text or vector to ranked files. Owns the collections, their spaces, the text
// index, the embedders, the durable queue and the workers that empty it.
//
// Always: an answer names files that exist, under their present names, with their present
// content, that the caller can reach and read; pending work in scope is counted, not hidden.
// Everything but user vectors (truth, kept as xattrs by fs) is derived: saved in pieces, redone
// from content after a crash. Opening never waits for an index.
// Threads: any.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "search/content_index.h"
#include "search/embedder_options.h"
#include "search/file_view.h"
#include "search/question.h"
#include "storage/volume.h"

namespace vexfs {

struct EngineOptions {
  unsigned workers = 1;
  EmbedderOptions embedder = {};
  std::string extract_program = {};    // empty: vexfs-extract beside this program
  unsigned quiet_ms = 2000;            // an open file is indexed this long after its last change
  unsigned quiet_ms_max = 60000;       // and at the latest after this
  std::uint32_t dead_rows_min = 2048;  // fewer of a space are not worth to make it again
};

struct IndexCounts {
  std::uint64_t indexed = 0, pending = 0, failed = 0, skipped = 0;
  std::uint64_t vectors = 0;
  // Of the collection that the scope is in.
  std::uint64_t slots = 0, dead = 0;  // that its spaces hold, and those of them that count no more
  double recall_target = 0, recall = 0;  // of the largest; recall@10 as sampled, 0: not sampled
  std::uint32_t ef = 0;                  // the width of beam that it takes; 0: no graph
  std::string embedder = {};             // identity of the one whose vectors answer; "none"
  std::string rebuilding = {};           // its vectors are made again: "due", "learning", "copying"
  unsigned rebuilt_percent = 0;          // of that
};

class Engine : public ContentIndex {
 public:
  // Reads settings, nothing that grows with the volume; indexes load in the background.
  static Result<std::unique_ptr<Engine>> open(Volume& volume, EngineOptions options);
  // From here on workers run. `files` outlives stop().
  virtual void start(FileView& files) = 0;
  // Ends the workers, saves what is not saved. Before Volume::close().
  virtual void stop() = 0;

  // ENOENT/ENOTDIR of the scope, EINVAL (empty question; a vector that is not finite, or zero where
  // only its direction could be asked for). May take long; never call
  // it on a thread that answers the kernel, nor with an fs lock held.
  virtual Result<Answer> ask(const Question& question) = 0;

  // The line of user.vexfs.status. ENODATA for what is not a regular file.
  virtual Result<std::string> file_status(Ino file) = 0;
  virtual Result<IndexCounts> counts(Ino scope) = 0;
  // `done` runs (on any thread) when all that was queued below `scope` at this call is indexed,
  // failed or gone; EIO when indexing is paused. cancel() answers it EINTR at once.
  using Done = std::move_only_function<void(Result<>)>;
  virtual std::uint64_t when_indexed(Ino scope, Done done) = 0;  // ticket, for cancel()
  virtual void cancel(std::uint64_t ticket) = 0;

  // user.vexfs.collection: JSON of the settings in force and counts. Setting makes or changes
  // the root at `directory` in one transaction with nothing else.
  // EINVAL with a line in errors(); EBUSY-free: changing dim/metric of a filled user space is
  // EINVAL.
  virtual Result<std::string> collection(Ino directory) = 0;
  virtual Result<> set_collection(Ino directory, std::string_view json) = 0;
  virtual Result<> remove_collection(Ino directory) = 0;
  virtual bool is_collection_root(Ino directory) = 0;

  // What indexes hold in memory: vectors, codes, graphs, words. Takes short locks only.
  virtual std::size_t memory_bytes() const { return 0; }

  virtual Result<> pause() = 0;
  virtual Result<> resume() = 0;
  // The last 100 refusals and failures that `caller` may see, newest last, one a line.
  virtual std::string errors(const Caller& caller) = 0;
  // Adds to them what was refused before it came to the engine.
  virtual void refused(Ino /*about*/, const char* /*why*/) {}
};

}  // namespace vexfs
