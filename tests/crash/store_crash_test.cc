// SPDX-License-Identifier: Apache-2.0
// Goal: whatever moment the power goes, a volume comes back with everything that was synced, in
// a state that the volume had after one of its transactions.
// Method: tests/crash/simulator.h over random work from a printed seed.
#include <doctest/doctest.h>

#include "tests/crash/quiet_log.h"
#include "tests/crash/store_subject.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/store");

TEST_CASE("every crash of a volume leaves what was synced, in the order of transactions") {
  const QuietLog quiet;
  std::size_t states = 0;
  for (const unsigned seed : crash_seeds(10)) {
    StoreSubject subject({.writes_unasked = seed % 8 == 3});
    const Simulation simulation = simulate(subject, {.seed = seed});
    states += simulation.states;
    CHECK_MESSAGE(simulation.violations == 0, simulation.first);
  }
  MESSAGE("crash states of a volume: ", states);
}

TEST_SUITE_END();
