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
#include <string>

#include "base/caller.h"
#include "base/mutex.h"
#include "search/collection_set.h"
#include "search/engine.h"
#include "search/exclusion.h"
#include "search/local_embedder.h"
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

// The embedders that the volume defines, by the names that collections use.
class Embedders {
 public:
  explicit Embedders(std::string default_name) : default_name_(std::move(default_name)) {}
  static bool defines(const std::string& name) { return name == "local" || name == "none"; }
  std::string name_of(const CollectionSettings& settings) const {
    return settings.embedder.value_or(default_name_);
  }
  // What a collection begins with, before there is anything to learn from. Null: "none", text
  // search alone.
  std::shared_ptr<const Embedder> first(const CollectionSettings& settings) const {
    return name_of(settings) == "local" ? local_ : nullptr;
  }
  // The name in an embedder's identity.
  static std::string_view name_in(std::string_view identity) {
    return identity.substr(0, identity.find(' '));
  }

 private:
  const std::string default_name_;
  const LocalEmbedder::Ref local_ = LocalEmbedder::untrained();
};

struct EngineState {
  EngineState(Volume& its_volume, EngineOptions its_options)
      : volume(its_volume),
        options(std::move(its_options)),
        collections(volume),
        embedders(options.default_embedder),
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
  Exclusion exclusion;
  ErrorList errors;
  Gate loaded;  // what was saved is in memory
  std::atomic<bool> stopping{false};
};

}  // namespace vexfs
