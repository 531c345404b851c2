// SPDX-License-Identifier: Apache-2.0
#include "search/engine_rebuilder.h"

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kBusyGrowth = 4;  // so each chunk of a bulk load is embedded twice
constexpr std::uint64_t kRetryAfterNs = 60'000'000'000;
constexpr std::uint64_t kRetryRest = 20;  // times as long as the attempt took

}  // namespace

// What users write has the room first: the next space may take half of what is free.
Result<> IndexRebuilder::check_room(const Space& space, const Embedder* embedder) const {
  constexpr std::uint64_t kWordsBytes = 1024;  // of a chunk; usually less
  const bool user = space.identity().kind == SpaceKind::user;
  const std::uint64_t dimension = user       ? space.identity().dimension
                                  : embedder ? embedder->dimension()
                                             : 0;
  const std::uint64_t row = dimension * sizeof(float) + (user ? 0 : kWordsBytes);
  const std::uint64_t learnt = embedder ? embedder->save().size() : 0;
  if (2 * (space.live() * row + learnt) > state_.volume.space().free * kBlockBytes)
    return fail(ENOSPC, "rebuild: too little of the volume is free");
  return {};
}

std::optional<IndexRebuilder::Due> IndexRebuilder::due(
    const std::shared_ptr<CollectionSet::Stored>& stored, bool busy) const {
  const Space& space = *stored->space;
  {
    Lock lock(mutex_);
    const auto failed = not_before_ns_.find(space.identity().id);
    if (failed != not_before_ns_.end() && monotonic_ns() < failed->second) return std::nullopt;
  }
  Due due{.space = stored};
  if (space.identity().kind == SpaceKind::computed) {
    const auto collection = state_.collections.find(space.identity().collection);
    if (!collection) return std::nullopt;
    const std::string& identity = space.identity().embedder;
    const std::string wanted = state_.embedders.name_of(collection->settings());
    const Embedder* const embedder = stored->embedder.get();
    due.other_embedder = Embedders::name_in(identity) != wanted ||
                         (embedder == nullptr && space.identity().dimension != 0);
    if (!due.other_embedder && embedder) {
      const TextIndex& text = stored->text->index();
      due.learn = embedder->wants_training(text) &&
                  (!busy || text.documents() >= kBusyGrowth * embedder->trained_on());
    }
  }
  const std::uint32_t size = space.size(), dead = size - std::min(size, space.live());
  const bool much_is_dead =
      dead >= state_.options.dead_rows_min && std::uint64_t{dead} * (busy ? 2 : 5) > size;
  if (due.other_embedder || due.learn || much_is_dead) return due;
  return std::nullopt;
}

bool IndexRebuilder::run_one() {
  const bool busy = state_.queue.size() != 0;
  for (const auto& stored : state_.collections.stored()) {
    const auto due = this->due(stored, busy);
    if (!due || state_.queue.paused()) continue;
    const std::uint32_t id = stored->space->identity().id;
    const std::uint64_t began_ns = monotonic_ns();
    const auto done = run(*due);
    const std::uint64_t now_ns = monotonic_ns();
    {
      Lock lock(mutex_);
      running_ = 0;
      not_before_ns_.erase(id);
      if (!done) not_before_ns_[id] = now_ns + kRetryAfterNs + kRetryRest * (now_ns - began_ns);
    }
    if (!done && done.error().code != ECANCELED && done.error().code != kReplaced)
      log(Level::warn, "search", "a space could not be made again",
          {{"space", id}, {"why", std::string_view(done.error().what)}});
    return done.has_value();
  }
  return false;
}

Result<> IndexRebuilder::run(const Due& due) {
  const std::uint32_t id = due.space->space->identity().id;
  VEXFS_CHECK(check_room(*due.space->space, nullptr));  // before it is learnt for
  VEXFS_TRY(SpaceRebuild::Wish wish, prepare(due));
  VEXFS_CHECK(check_room(*due.space->space, wish.embedder.get()));
  show(id, "copying", 0);
  SpaceRebuild rebuild(state_, records_, std::move(wish), [&](double done) {
    show(id, "copying", static_cast<unsigned>(100 * done));
    return go_on();
  });
  return rebuild.run();
}

// The embedder of the next space, which is the present one where nothing is to be learnt.
Result<SpaceRebuild::Wish> IndexRebuilder::prepare(const Due& due) {
  SpaceRebuild::Wish wish{.before = due.space, .embedder = due.space->embedder};
  if (!due.other_embedder && !due.learn) return wish;
  wish.embed = true;
  if (due.other_embedder) {
    const auto collection = state_.collections.find(due.space->space->identity().collection);
    if (!collection) return fail(kReplaced, "rebuild: the collection has gone");
    wish.embedder = state_.embedders.first(collection->settings());
    if (!wish.embedder && state_.embedders.name_of(collection->settings()) != "none")
      return fail(EAGAIN, "rebuild: the endpoint does not say its dimension");
  }
  const TextIndex& text = due.space->text->index();
  if (!wish.embedder || !wish.embedder->wants_training(text)) return wish;
  show(due.space->space->identity().id, "learning", 0);
  auto trained = wish.embedder->trained(text, [this] { return !go_on(); });
  if (trained)
    wish.embedder = *std::move(trained);
  else if (trained.error().code != EAGAIN || due.learn)
    return std::unexpected(trained.error());
  return wish;
}

bool IndexRebuilder::go_on() const {
  while (state_.queue.paused() && !state_.stopping)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return !state_.stopping;
}

void IndexRebuilder::show(std::uint32_t space, std::string doing, unsigned percent) {
  Lock lock(mutex_);
  running_ = space;
  running_progress_ = {.doing = std::move(doing), .percent = percent};
}

IndexRebuilder::Progress IndexRebuilder::progress(const Collection& collection) const {
  std::optional<Progress> is_due;
  for (const auto& stored : state_.collections.stored()) {
    const SpaceIdentity& identity = stored->space->identity();
    if (identity.collection != collection.root()) continue;
    {
      Lock lock(mutex_);
      if (running_ == identity.id) return running_progress_;
    }
    if (due(stored, false)) is_due = Progress{.doing = "due"};
  }
  return is_due.value_or(Progress{});
}

}  // namespace vexfs
