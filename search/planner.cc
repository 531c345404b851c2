// SPDX-License-Identifier: Apache-2.0
#include "search/planner.h"

#include <algorithm>

namespace vexfs {

namespace {

constexpr std::uint32_t kSampleRows = 64;

// How many live rows pass, from a sample that is spread evenly.
std::uint64_t estimate_passing(const Space& space, Graph::Accept accept) {
  const std::uint32_t size = space.size();
  std::uint64_t looked = 0, passed = 0;
  for (std::uint32_t i = 0; i < kSampleRows && size != 0; ++i) {
    const auto slot = static_cast<Slot>(std::uint64_t{size} * i / kSampleRows);
    if (space.columns().dead(slot)) continue;
    ++looked;
    if (accept(slot)) ++passed;
  }
  return looked == 0 ? 0 : space.live() * passed / looked;
}

}  // namespace

Plan first_plan(const Space& space, const QuestionOptions& options, bool filters,
                Graph::Accept accept) {
  Plan plan;
  plan.filter_inside = filters;
  // A file has several chunks and not all may be read: a margin saves most second looks.
  plan.search.k = filters ? options.k + options.k / 2 : 2 * options.k + 16;
  plan.search.ef = options.ef != 0 ? options.ef : std::max(space.width().ef, plan.search.k);
  plan.search.exact = options.exact || space.live() < kGraphRowsMin ||
                      (filters && estimate_passing(space, accept) < kGraphRowsMin);
  return plan;
}

std::optional<Plan> deeper_plan(const Space& space, const Plan& plan, std::size_t found) {
  const bool full = found >= plan.search.k;
  if (plan.search.exact && !full) return std::nullopt;
  Plan next = plan;
  if (full) next.search.k = std::min(plan.search.k * 4, std::max(space.size(), plan.search.k + 1));
  next.search.ef = std::max(plan.search.ef, 2 * next.search.k);
  // The beam ended before it had k, or wants a good part of all rows: compare them all.
  next.search.exact = plan.search.exact || !full || next.search.k > space.live() / 8;
  return next;
}

}  // namespace vexfs
