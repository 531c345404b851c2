// SPDX-License-Identifier: Apache-2.0
// EngineState: what the parts of the engine share. Each part locks for itself.
//
//   fs hooks ──> queue, vectors, book        workers ──> collections, book ──> saver ──> volume
//   questions ──> vectors.drain, collections
//
// Threads: any. `files` is set by start() before any part runs.
#pragma once
#include <atomic>
#include <deque>
#include <set>
#include <string>

#include "base/caller.h"
#include "base/mutex.h"
#include "search/collection_set.h"
#include "search/embedders.h"
#include "search/engine.h"
#include "search/exclusion.h"
#include "search/extract_process.h"
#include "search/queue.h"
#include "search/queue_book.h"
#include "search/queue_vectors.h"
#include "search/spanning_files.h"

namespace vexfs {

// Opens once, for good.
class Gate {
 public:
  void open();
  void wait() const;
  bool is_open() const { return open_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> open_{false};
  mutable Mutex mutex_;
  mutable CondVar opened_;
};

// The last refusals and failures, each about one file or directory.
class ErrorList {
 public:
  struct Entry {
    Ino about{};
    std::string text;
  };
  void add(Ino about, std::string text);
  std::vector<Entry> all() const;

 private:
  static constexpr std::size_t kEntriesMax = 100;
  mutable Mutex mutex_;
  std::deque<Entry> entries_ GUARDED_BY(mutex_);
};

// Files whose chunks have words and no vectors, because an endpoint was down. One is tried now and
// then; when that goes well, all are.
class WithoutVectors {
 public:
  void add(Ino ino);
  void succeeded();
  // Those that are worth to be tried now.
  std::vector<Ino> take();

 private:
  mutable Mutex mutex_;
  std::set<Ino> files_ GUARDED_BY(mutex_);
  bool up_ GUARDED_BY(mutex_) = false;
  std::uint64_t next_ns_ GUARDED_BY(mutex_) = 0;
};

// Begins the remark of such a file.
inline constexpr std::string_view kNoVectors = "no_vectors_yet=";

struct EngineState {
  EngineState(Volume& its_volume, EngineOptions its_options)
      : volume(its_volume),
        options(std::move(its_options)),
        collections(volume),
        embedders(options.embedder),
        queue({.quiet_ns = std::uint64_t{options.quiet_ms} * 1'000'000,
               .quiet_ns_max = std::uint64_t{options.quiet_ms_max} * 1'000'000}),
        vectors(volume.info().mount_epoch << 32),
        book(volume),
        spanning(volume),
        exclusion(volume) {}

  Volume& volume;
  const EngineOptions options;
  FileView* files = nullptr;
  CollectionSet collections;
  Embedders embedders;
  IndexQueue queue;
  VectorQueue vectors;
  QueueBook book;
  SpanningFiles spanning;
  WithoutVectors without_vectors;
  ExtractProcess extract_process{options.extract_program};
  Exclusion exclusion;
  ErrorList errors;
  Gate loaded;  // what was saved is in memory
  std::atomic<bool> stopping{false};
};

}  // namespace vexfs
