// SPDX-License-Identifier: Apache-2.0
// Goal: whatever moment the power goes, what was fsynced is there, names are a prefix in time,
// a size covers no byte that is not there, and no file shows another's bytes.
// Method: tests/crash/simulator.h over random work on files from a printed seed.
#include <doctest/doctest.h>

#include "tests/crash/files_subject.h"
#include "tests/crash/quiet_log.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/files");

TEST_CASE("every crash of files leaves what was synced, and names as they were at one moment") {
  const QuietLog quiet;
  std::size_t states = 0;
  for (const unsigned seed : crash_seeds(8)) {
    FilesSubject subject({.write_bytes_max = seed % 4 == 0 ? 400'000u : 30'000u,
                          .compression = {.level = static_cast<int>(seed % 2)}});
    const Simulation simulation = simulate(subject, {.seed = seed});
    states += simulation.states;
    CHECK_MESSAGE(simulation.violations == 0, simulation.first);
  }
  MESSAGE("crash states of files: ", states);
}

TEST_SUITE_END();
