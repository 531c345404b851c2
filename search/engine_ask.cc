// SPDX-License-Identifier: Apache-2.0
#include "search/engine_ask.h"

#include <algorithm>
#include <tuple>

#include "base/hash.h"
#include "base/metrics.h"
#include "search/chunk_text.h"
#include "search/ranking.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::size_t kPendingLooks = 2000;

}  // namespace

Ask::Ask(EngineState& state, FileRecords& records, NoiseLevels& noise, const Question& question)
    : state_(state),
      records_(records),
      noise_(noise),
      question_(question),
      options_(question.options),
      filter_(*state.files, state.collections.roots(), question.caller, question.scope,
              question.options) {}

bool Ask::usable(const Space& space, Slot slot) {
  const SpaceColumns& columns = space.columns();
  const std::uint64_t generation = columns.generation(slot);
  if (generation == kDead) return false;
  const ScopeFilter::File& file = filter_.file(columns.ino(slot));
  if (!file.passes || file.root != space.identity().collection) return false;
  if (generation == kOutlives || generation == file.facts.generation) return true;
  return space.identity().kind == SpaceKind::computed && chunk_unchanged(space, slot);
}

bool Ask::chunk_unchanged(const Space& space, Slot slot) {
  const std::uint64_t key = std::uint64_t{space.identity().id} << 32 | slot;
  const auto [at, fresh] = unchanged_.try_emplace(key, false);
  if (!fresh) return at->second;
  const Ino ino = space.columns().ino(slot);
  const auto record = records_.chunk(ino, space.columns().part(slot));
  if (!record || record->hash != space.columns().check(slot) || record->bytes == 0) return false;
  const auto bytes = read_range(*state_.files, ino, record->offset, record->bytes);
  at->second = bytes && hash64(as_bytes(*bytes)) == record->hash;
  return at->second;
}

bool Ask::replaced_by_own(const Collection& collection, const Space& space, Slot slot) const {
  return space.identity().kind == SpaceKind::computed &&
         collection.has_own_vector(space.columns().ino(slot));
}

Ask::List Ask::distinct(List list) const {
  std::sort(list.begin(), list.end(), [](const Ranked& a, const Ranked& b) {
    return std::tuple(-a.score, a.ino, a.slot) < std::tuple(-b.score, b.ino, b.slot);
  });
  if (options_.chunks) return list;
  std::set<std::pair<Ino, std::uint32_t>> seen;
  std::erase_if(list, [&](const Ranked& one) {
    const bool row = one.space->identity().kind == SpaceKind::user;
    const std::uint32_t part = row ? one.space->columns().part(one.slot) : 0;
    return !seen.insert({one.ino, part}).second;
  });
  return list;
}

std::vector<std::shared_ptr<Collection>> Ask::collections_in_scope() {
  std::vector<std::shared_ptr<Collection>> found;
  const Ino own = filter_.directory(question_.scope).root;
  for (const auto& collection : state_.collections.all())
    if (collection->root() == own || filter_.directory(collection->root()).in_scope)
      found.push_back(collection);
  std::size_t looks = 0;
  for (const Ino ino : state_.spanning.all()) {
    const ScopeFilter::File& file = filter_.file(ino);
    if (++looks > kPendingLooks) break;
    auto its = file.in_scope ? state_.collections.find(file.root) : nullptr;
    if (its && std::ranges::find(found, its) == found.end()) found.push_back(std::move(its));
  }
  return found;
}

Result<> Ask::lists() {
  if (question_.similar_to != Ino{}) {
    VEXFS_TRY(lists_.emplace_back(), ask_similar());
    return {};
  }
  for (const auto& collection : collections_in_scope()) {
    if (!question_.vector.empty()) {
      lists_.push_back(ask_vector(*collection));
    } else {
      VEXFS_TRY(lists_.emplace_back(), ask_text(*collection));
    }
  }
  if (no_direction_ && std::ranges::all_of(lists_, &List::empty))
    return fail(EINVAL, "ask: a zero vector has no direction under cosine");
  return {};
}

[[gnu::noinline]] void Ask::merge() {
  std::erase_if(lists_, [](const List& list) { return list.empty(); });
  if (lists_.empty()) return;
  if (lists_.size() == 1) {
    ranked_ = std::move(lists_.front());
    return;
  }
  // Scores of different collections do not compare; ranks do.
  for (List& list : lists_)
    for (std::size_t rank = 0; rank < list.size(); ++rank) {
      list[rank].score = 1 / static_cast<float>(rank + 1);
      ranked_.push_back(std::move(list[rank]));
    }
  std::stable_sort(ranked_.begin(), ranked_.end(),
                   [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
}

bool Ask::same_content(const Ranked& ranked) {
  const auto now = state_.files->facts(ranked.ino);
  return now && now->generation == ranked.space->columns().generation(ranked.slot);
}

// The frames of these lie above that of reading a file, so each holds little.
[[gnu::noinline]] bool Ask::fill_row(const Ranked& ranked, Hit& hit) {
  const std::uint32_t part = ranked.space->columns().part(ranked.slot);
  if (part == kOwnVector) return true;
  hit.locator = {.kind = Locator::Kind::row, .first = part, .last = part};
  return same_content(ranked);
}

[[gnu::noinline]] bool Ask::fill_chunk(const Ranked& ranked, Hit& hit) {
  const SpaceColumns& columns = ranked.space->columns();
  const std::uint32_t part = columns.part(ranked.slot);
  const auto record = records_.chunk(ranked.ino, part);
  if (!record || record->hash != columns.check(ranked.slot)) return false;
  const auto text = text_of_chunk(*state_.files, records_, ranked.ino, part, *record);
  if (!text) return false;
  // Without bytes nothing in the file says whether it has changed since.
  if (record->bytes == 0 && !same_content(ranked)) return false;
  hit.locator = {.kind = locator_of(*record), .first = record->first, .last = record->last};
  hit.snippet = snippet_of(*text, terms_).text;
  return true;
}

[[gnu::noinline]] bool Ask::fill(const Ranked& ranked, Hit& hit) {
  const ScopeFilter::File& file = filter_.file(ranked.ino);
  hit.ino = ranked.ino;
  hit.path = filter_.path(file);
  hit.score = ranked.score;
  hit.cosine = ranked.cosine;
  hit.bm25 = ranked.bm25;
  hit.distance = ranked.distance;
  hit.mtime = file.facts.mtime;
  if (hit.path.empty()) return false;
  return ranked.space->identity().kind == SpaceKind::user ? fill_row(ranked, hit)
                                                          : fill_chunk(ranked, hit);
}

[[gnu::noinline]] void Ask::count_pending(Answer& answer) {
  // Of a long queue a part is looked at: a question does not wait for a hundred thousand names.
  const auto [tasks, all] = state_.queue.some_waiting(kPendingLooks);
  std::uint64_t pending = 0;
  for (const IndexTask& task : tasks)
    pending += task.rescan ? filter_.directory(task.ino).in_scope : filter_.file(task.ino).in_scope;
  answer.pending = tasks.size() < kPendingLooks ? pending : pending * all / tasks.size();
  for (const Ino ino : state_.book.refused(Owed::failed))
    answer.failed += filter_.file(ino).in_scope;
}

Result<> Ask::rank() {
  if (!question_.text.empty()) read_terms();
  VEXFS_CHECK(lists());
  merge();
  return {};
}

[[gnu::noinline]] void Ask::read_terms() {
  terms_ = terms_of(question_.text);
}

Answer Ask::answer() {
  Answer answer{.left_out = left_out_};
  static Histogram& took =
      metrics::histogram("vexfs_search_phase_seconds", "Phases of a question", "phase=\"hits\"");
  Timed timed(took);
  for (const Ranked& ranked : ranked_) {
    if (answer.hits.size() == options_.k) break;
    if (options_.min && ranked.score < *options_.min) continue;
    if (!fill(ranked, answer.hits.emplace_back())) answer.hits.pop_back();
  }
  count_pending(answer);
  return answer;
}

}  // namespace vexfs
