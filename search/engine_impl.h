// SPDX-License-Identifier: Apache-2.0
// EngineImpl: the engine's parts put together, its threads, and the calls of engine.h.
//
//   indexers (options.workers) ── empty the queue, once the saved indexes are loaded
//   keeper (one)               ── loads, grows graphs, saves, answers when_indexed()
//   rebuilder (one, niced)     ── embedders learn, spaces are made again, old ones are freed
//
// Threads: any; start() and stop() by one.
#pragma once
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/workers.h"
#include "search/engine.h"
#include "search/engine_keeper.h"
#include "search/engine_noise.h"
#include "search/engine_rebuilder.h"
#include "search/engine_rows.h"
#include "search/engine_state.h"
#include "search/engine_text.h"
#include "search/engine_worker.h"

namespace vexfs {

class EngineImpl final : public Engine {
 public:
  EngineImpl(Volume& volume, EngineOptions options);
  ~EngineImpl() override;
  Result<> open();

  void start(FileView& files) override;
  void stop() override;

  Result<Answer> ask(const Question& question) override;
  Result<std::string> file_status(Ino file) override;
  Result<IndexCounts> counts(Ino scope) override;
  std::uint64_t when_indexed(Ino scope, Done done) override;
  void cancel(std::uint64_t ticket) override { state_.queue.cancel(ticket); }

  Result<std::string> collection(Ino directory) override;
  Result<> set_collection(Ino directory, std::string_view json) override;
  Result<> remove_collection(Ino directory) override;
  bool is_collection_root(Ino directory) override;

  std::size_t memory_bytes() const override;

  Result<> pause() override;
  Result<> resume() override;
  std::string errors(const Caller& caller) override;
  void refused(Ino about, const char* why) override { state_.errors.add(about, why); }

  void log_changed(Transaction& transaction, Ino ino, std::uint64_t generation) override;
  void log_removed(Transaction& transaction, Ino ino) override;
  void log_vector(Transaction& transaction, Ino ino) override;
  void log_moved(Transaction& transaction, Ino ino, Ino from, Ino to) override;
  void changed(Ino ino) override { state_.queue.changed(ino); }
  void closed(Ino ino) override { state_.queue.closed(ino); }
  void removed(Ino ino) override;
  void moved(Ino ino, Ino from, Ino to) override;
  void vector_set(Ino ino, std::span<const float> vector) override;
  Result<> check_vector(Ino ino, std::span<const float> vector) override;
  Result<> check_move(Ino ino, Ino from, Ino to) override;

 private:
  // Of the collection that `scope` is in.
  void count_spaces(Ino scope, IndexCounts& counts);
  void run_indexer();
  void run_keeper();
  void run_rebuilder();
  void join();
  void place_vectors();
  void remove_replaced();
  Result<> refuse_settings(Ino directory, Error error);
  Result<> check_settings(const Collection* present, const CollectionSettings& settings);
  static void log_rescan(Transaction& transaction, Ino directory);

  EngineState state_;
  FileRecords records_{state_.volume, state_.collections};
  RowIndexer rows_{state_, records_};
  TextIndexer text_{state_, records_};
  IndexWorker worker_{state_, records_, rows_, text_};
  IndexKeeper keeper_{state_};
  IndexRebuilder rebuilder_{state_, records_};
  NoiseLevels noise_;
  std::vector<std::thread> threads_;
  Mutex keeper_mutex_{Rank::engine};
  CondVar keeper_wake_;
};

}  // namespace vexfs
