// SPDX-License-Identifier: Apache-2.0
#include "search/engine.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/metrics.h"
#include "search/engine_ask.h"
#include "search/engine_impl.h"
#include "vector/distance.h"
#include "vector/float_mode.h"

namespace vexfs {

namespace {

constexpr int kNicer = 5;  // files are served before they are indexed
constexpr std::chrono::milliseconds kRebuilderLooks(200);

Histogram& search_histogram(const char* labels) {
  return metrics::histogram("vexfs_search_seconds", "Questions", labels);
}

void give_way() {
  const auto self = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kNicer);
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(Volume& volume, EngineOptions options) {
  auto engine = std::make_unique<EngineImpl>(volume, std::move(options));
  VEXFS_CHECK(engine->open());
  return engine;
}

EngineImpl::EngineImpl(Volume& volume, EngineOptions options)
    : state_(volume, std::move(options)) {}

// Without stop() this is a crash: what was not saved is made again from content.
EngineImpl::~EngineImpl() {
  join();
}

Result<> EngineImpl::open() {
  VEXFS_CHECK(state_.embedders.open());
  VEXFS_CHECK(state_.collections.open());
  VEXFS_CHECK(state_.spanning.open());
  VEXFS_CHECK(state_.exclusion.open());
  return state_.book.open([this](const QueueBook::Record& record) {
    if (record.what == Owed::vector)
      state_.vectors.owe(record.ino);
    else
      state_.queue.owe({.ino = record.ino,
                        .gone = record.what == Owed::gone,
                        .rescan = record.what == Owed::rescan,
                        .moved = record.what == Owed::content && record.sequence == 0});
  });
}

void EngineImpl::start(FileView& files) {
  state_.files = &files;
  threads_.emplace_back([this] { run_keeper(); });
  pthread_setname_np(threads_.back().native_handle(), "vexfs-keeper");
  if (state_.volume.read_only()) return;  // asks what is saved; what is pending stays so
  threads_.emplace_back([this] { run_rebuilder(); });
  pthread_setname_np(threads_.back().native_handle(), "vexfs-rebuilder");
  for (unsigned i = 0; i < state_.options.workers; ++i) {
    threads_.emplace_back([this] { run_indexer(); });
    pthread_setname_np(threads_.back().native_handle(), "vexfs-indexer");
  }
}

void EngineImpl::join() {
  {
    Lock lock(keeper_mutex_);
    state_.stopping = true;
  }
  state_.queue.stop();
  keeper_wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void EngineImpl::stop() {
  const bool started = !threads_.empty();
  join();
  if (started && !state_.volume.read_only()) keeper_.save_all();
}

void EngineImpl::run_indexer() {
  const FlushDenormals fast;
  give_way();
  state_.loaded.wait();
  while (const auto task = state_.queue.take()) {
    place_vectors();
    const bool again = worker_.run(*task);
    state_.queue.finish(*task, again);
  }
}

void EngineImpl::run_keeper() {
  const FlushDenormals fast;
  keeper_.load();
  give_way();  // once all can be answered
  for (;;) {
    while (!state_.stopping && (keeper_.grow_graphs() || keeper_.sample_recall())) {
    }
    if (!state_.stopping && !state_.volume.read_only()) {
      keeper_.save_if_due();
      for (const Ino ino : state_.without_vectors.take()) state_.queue.owe({.ino = ino});
    }
    Lock lock(keeper_mutex_);
    if (state_.stopping) return;
    keeper_wake_.wait_for(keeper_mutex_, std::chrono::milliseconds(500));
  }
}

void EngineImpl::run_rebuilder() {
  const FlushDenormals fast;
  give_way();
  state_.loaded.wait();
  for (;;) {
    remove_replaced();
    while (!state_.stopping && rebuilder_.run_one()) remove_replaced();
    Lock lock(keeper_mutex_);
    if (state_.stopping) return;
    keeper_wake_.wait_for(keeper_mutex_, kRebuilderLooks);
  }
}

void EngineImpl::remove_replaced() {
  const auto stop = [this] { return state_.stopping.load(); };
  if (const auto removed = state_.collections.remove_replaced(stop); !removed)
    log(Level::warn, "search", "a space that gave way could not be freed",
        {{"why", std::string_view(removed.error().what)}});
}

void EngineImpl::place_vectors() {
  if (state_.vectors.empty() || state_.volume.read_only()) return;
  state_.vectors.drain(
      [this](Ino ino, std::uint64_t sequence) { rows_.place_vector(ino, sequence); });
}

namespace {

// Not inline: facts are large, and a search wants the stack.
[[gnu::noinline]] Result<> check_directory(FileView& files, Ino ino) {
  VEXFS_TRY(const FileFacts facts, files.facts(ino));
  if (!S_ISDIR(facts.mode)) return fail(ENOTDIR, "ask: only directories can be searched");
  return {};
}

}  // namespace

Result<Answer> EngineImpl::ask(const Question& question) {
  static Histogram& by_text = search_histogram("by=\"text\"");
  static Histogram& by_vector = search_histogram("by=\"vector\"");
  static Histogram& by_file = search_histogram("by=\"file\"");
  static Counter& empty =
      metrics::counter("vexfs_search_empty_total", "Questions without an answer");
  const FlushDenormals fast;
  Timed timed(!question.text.empty() ? by_text : question.vector.empty() ? by_file : by_vector);
  const int forms =
      !question.text.empty() + !question.vector.empty() + (question.similar_to != Ino{} ? 1 : 0);
  if (forms != 1) return fail(EINVAL, "ask: a text, a vector or a file");
  if (question.vector.size() > kDimensionMax || !all_finite(question.vector))
    return fail(EINVAL, "ask: not a vector");
  if (question.options.k == 0 || question.options.k > 10000)
    return fail(EINVAL, "ask: k must be 1 to 10000");
  VEXFS_CHECK(check_directory(*state_.files, question.scope));
  state_.loaded.wait();
  place_vectors();
  const auto asked = std::make_unique<Ask>(state_, records_, noise_, question);
  VEXFS_CHECK(asked->rank());
  Answer answer = asked->answer();
  if (answer.hits.empty()) empty.add();
  return answer;
}

// --- what fs tells

void EngineImpl::log_changed(Transaction& transaction, Ino ino, std::uint64_t generation) {
  QueueBook::log(transaction, {.ino = ino, .what = Owed::content, .sequence = generation});
}

void EngineImpl::log_removed(Transaction& transaction, Ino ino) {
  QueueBook::log(transaction, {.ino = ino, .what = Owed::gone, .sequence = 0});
}

void EngineImpl::log_vector(Transaction& transaction, Ino ino) {
  QueueBook::log(transaction,
                 {.ino = ino, .what = Owed::vector, .sequence = state_.vectors.next_sequence()});
}

void EngineImpl::log_moved(Transaction& transaction, Ino ino, Ino from, Ino to) {
  // A name less may leave it in another collection.
  const bool unlinked = to == Ino{} && state_.spanning.contains(ino);
  if (!unlinked && (from == Ino{} || to == Ino{})) return;
  // Another name may be another type, another parent another collection.
  QueueBook::log(transaction, {.ino = ino, .what = Owed::content, .sequence = 0});
  if (state_.collections.count() == 1) return;
  QueueBook::log(transaction,
                 {.ino = ino, .what = Owed::vector, .sequence = state_.vectors.next_sequence()});
}

void EngineImpl::removed(Ino ino) {
  state_.queue.owe({.ino = ino, .gone = true});
}

void EngineImpl::moved(Ino ino, Ino from, Ino to) {
  if (to == Ino{} && !state_.spanning.contains(ino)) return;
  if (from == Ino{}) {
    state_.queue.log(ino);  // new: its writer will say when it is done
    return;
  }
  if (state_.collections.count() != 1) state_.vectors.owe(ino);
  state_.queue.owe({.ino = ino, .moved = true});
}

void EngineImpl::vector_set(Ino ino, std::span<const float>) {
  state_.vectors.owe(ino);  // placed by whoever asks next, or by an indexer
  state_.queue.owe({.ino = ino});
}

Result<> EngineImpl::check_vector(Ino ino, std::span<const float> vector) {
  const auto refuse = [&](const char* why) -> Result<> {
    state_.errors.add(ino, why);
    return fail(EINVAL, why);
  };
  if (vector.empty() || vector.size() > kDimensionMax)
    return refuse("vector: the dimension must be 1 to 4096");
  if (!all_finite(vector)) return refuse("vector: NaN or infinite");
  if (std::ranges::any_of(vector, [](float value) { return value != 0; })) return {};
  const auto collection = state_.collections.of_file(*state_.files, ino);
  const auto user = collection ? collection->user() : nullptr;
  const Metric metric = user && user->live() != 0 ? user->identity().metric
                        : collection ? collection->settings().metric.value_or(Metric::cosine)
                                     : Metric::cosine;
  return metric == Metric::cosine ? refuse("vector: zero has no direction under cosine")
                                  : Result<>();
}

Result<> EngineImpl::check_move(Ino ino, Ino from, Ino to) {
  if (from == to || to == Ino{} || state_.collections.count() == 1) return {};
  if (state_.collections.find(ino)) return {};  // it brings its own collection along
  VEXFS_TRY(const FileFacts facts, state_.files->facts(ino));
  const bool link = from == Ino{};
  // Two names in two collections: which would it be in?
  if (!S_ISDIR(facts.mode) && !link && facts.links < 2) return {};
  const auto before = link ? state_.collections.of_file(*state_.files, ino)
                           : state_.collections.of_directory(*state_.files, from);
  const auto after = state_.collections.of_directory(*state_.files, to);
  if (!before || before == after) return {};
  return fail(EXDEV, "collection: what a move cannot do, a copy does");
}

Result<> EngineImpl::pause() {
  state_.queue.pause();
  return {};
}

Result<> EngineImpl::resume() {
  state_.queue.resume();
  return {};
}

}  // namespace vexfs
