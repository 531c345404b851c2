// SPDX-License-Identifier: Apache-2.0
// Ask, by vectors: the nearest rows of a space that may be answered.
#include <algorithm>

#include "base/metrics.h"
#include "search/engine_ask.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kSimilarPartsMax = 16;

// Higher is better, as printed.
float score_of(Metric metric, float distance) {
  switch (metric) {
    case Metric::cosine:
      return 1 - distance;
    case Metric::l2:
      return 1 / (1 + distance);
    case Metric::ip:
      return -distance;
  }
  return 0;
}

}  // namespace

Ask::Ranked Ask::ranked(const std::shared_ptr<Space>& space, const Neighbour& neighbour) const {
  const Metric metric = space->identity().metric;
  Ranked ranked{.ino = space->columns().ino(neighbour.slot),
                .space = space,
                .slot = neighbour.slot,
                .score = score_of(metric, neighbour.distance)};
  ranked.distance = neighbour.distance;
  if (metric == Metric::cosine) ranked.cosine = ranked.score;
  return ranked;
}

// Not inline: options are large.
[[gnu::noinline]] Plan Ask::plan_of(const Space& space, std::uint32_t k, Graph::Accept accept) {
  QuestionOptions deep = options_;
  deep.k = k;
  return first_plan(space, deep, !filter_.unfiltered(), accept);
}

Ask::List Ask::nearest(const Collection& collection, const std::shared_ptr<Space>& space,
                       std::span<const float> query, const Looking& looking) {
  static Histogram& took =
      metrics::histogram("vexfs_search_phase_seconds", "Phases of a question", "phase=\"vector\"");
  Timed timed(took);
  const auto full = [&](Slot slot) {
    return space->columns().ino(slot) != looking.except &&
           !replaced_by_own(collection, *space, slot) && usable(*space, slot);
  };
  const auto light = [&](Slot slot) { return space->columns().ino(slot) != looking.except; };
  Plan plan = plan_of(*space, looking.k, full);
  for (;;) {
    const std::vector<Neighbour> found = plan.filter_inside
                                             ? space->nearest(query, plan.search, full)
                                             : space->nearest(query, plan.search, light);
    List list;
    for (const Neighbour& neighbour : found)
      if (plan.filter_inside || full(neighbour.slot)) list.push_back(ranked(space, neighbour));
    if (looking.distinct) list = distinct(std::move(list));
    const auto next =
        list.size() < looking.k ? deeper_plan(*space, plan, found.size()) : std::optional<Plan>();
    if (!next) {
      if (list.size() > looking.k) list.resize(looking.k);
      return list;
    }
    plan = *next;
  }
}

Ask::List Ask::ask_vector(const Collection& collection) {
  const auto dimension = static_cast<std::uint32_t>(question_.vector.size());
  const auto user = collection.user();
  const auto computed = collection.computed().space;
  const bool has_user = user && user->live() != 0;
  const bool has_computed =
      computed && computed->live() != 0 && computed->identity().dimension != 0;
  std::shared_ptr<Space> space;
  if (has_user && user->identity().dimension == dimension)
    space = user;
  else if (has_computed && computed->identity().dimension == dimension)
    space = computed;
  if (!space) {
    if (has_user || has_computed) ++left_out_;
    return {};
  }
  std::vector<float> query = question_.vector;
  if (space->identity().metric == Metric::cosine && !normalise(query)) {
    no_direction_ = true;
    ++left_out_;
    return {};
  }
  return nearest(collection, space, query, {.k = options_.k});
}

std::vector<std::vector<float>> Ask::vectors_of(Ino ino, std::shared_ptr<Space>& space,
                                                std::shared_ptr<Collection>& collection) {
  std::vector<std::vector<float>> vectors;
  collection = state_.collections.of_file(*state_.files, ino);
  if (!collection) return vectors;
  std::vector<Slot> slots;
  if (const Collection::OwnVector own = collection->own_vector(ino); own.space) {
    space = own.space;
    slots.push_back(own.slot);
  } else if (const auto record = records_.file(ino); record && record->parts != 0) {
    const auto present = [&] {
      return is_rows(*record) ? collection->user() : collection->computed().space;
    };
    do {  // a space that gives way meanwhile takes its records along
      space = present();
      slots.clear();
      if (!space) break;
      for (const Run& run : records_.runs(space->identity().id, ino))
        for (std::uint32_t i = 0; i < run.count; ++i) slots.push_back(run.slot + i);
    } while (space != present());
  }
  if (!space || space->identity().dimension == 0) return vectors;
  const std::size_t count = std::min<std::size_t>(slots.size(), kSimilarPartsMax);
  for (std::size_t i = 0; i < count; ++i) {
    const Slot slot = slots[slots.size() * i / count];
    if (slot >= space->size() || space->columns().ino(slot) != ino) continue;
    vectors.emplace_back(space->row(slot), space->row(slot) + space->identity().dimension);
  }
  return vectors;
}

Result<Ask::List> Ask::ask_similar() {
  const Ino ino = question_.similar_to;
  const auto facts = state_.files->facts(ino);
  if (!facts) return std::unexpected(facts.error());
  if (!S_ISREG(facts->mode)) return fail(EINVAL, "ask: only files have neighbours");
  if (!state_.files->may_read(question_.caller, ino))
    return fail(EACCES, "ask: the file may not be read");
  std::shared_ptr<Space> space;
  std::shared_ptr<Collection> collection;
  List best;
  for (const std::vector<float>& vector : vectors_of(ino, space, collection)) {
    List list = nearest(*collection, space, vector, {.k = options_.k, .except = ino});
    best.insert(best.end(), list.begin(), list.end());
  }
  best = distinct(std::move(best));
  if (best.size() > options_.k) best.resize(options_.k);
  return best;
}

}  // namespace vexfs
