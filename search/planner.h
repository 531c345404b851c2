// SPDX-License-Identifier: Apache-2.0
// Planner: how the nearest rows of a space are looked for, and how much deeper when what was found
// does not pass.
//
//   few rows, or few that pass          exact: every row is compared
//   the question filters                graph; the filter decides inside the search
//   nothing filters but permission      graph; a few more than k are fetched and looked at after
//
// Always: while more rows pass than were found, the next plan looks deeper, down to exact.
// Threads: values; any.
#pragma once
#include <cstdint>
#include <optional>

#include "search/question.h"
#include "search/space.h"

namespace vexfs {

struct Plan {
  SpaceSearch search;
  bool filter_inside = false;  // each row is checked while searching, not after
};

// `accept` is asked about a sample of rows when the question filters.
Plan first_plan(const Space& space, const QuestionOptions& options, bool filters,
                Graph::Accept accept);
// `found` rows came of `plan`, and too few of them passed. Nothing: there are no more.
std::optional<Plan> deeper_plan(const Space& space, const Plan& plan, std::size_t found);

}  // namespace vexfs
