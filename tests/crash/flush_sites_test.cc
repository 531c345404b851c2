// SPDX-License-Identifier: Apache-2.0
// Goal: every flush of the program is needed, and the crash tests would see it missing.
// Method: for each site (storage/flush_site.h) a disk that leaves out the flushes of that site
// alone; some subject must break a promise on it. tests/tidy.py sees to it that a site stands in
// one place, so a new flush comes with a site, and a site without a control fails here.
#include <doctest/doctest.h>

#include "base/text.h"
#include "tests/crash/files_subject.h"
#include "tests/crash/quiet_log.h"
#include "tests/crash/small_subjects.h"
#include "tests/crash/store_subject.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/flush sites");

namespace {

std::unique_ptr<CrashSubject> make_subject(unsigned kind) {
  switch (kind) {
    case 0:
      return std::make_unique<FormatSubject>();
    case 1:
      return std::make_unique<SpaceSubject>();
    case 2:
      return std::make_unique<FilesSubject>(FilesSubjectOptions{});
    default:
      return std::make_unique<StoreSubject>(StoreSubjectOptions{.writes_unasked = true});
  }
}

Simulation simulate_without(FlushSite site, unsigned kind, unsigned seed) {
  const auto subject = make_subject(kind);
  return simulate(*subject, {.seed = seed, .faults = {.skipped = site}});
}

}  // namespace

TEST_CASE("control: whichever flush is left out, the simulator finds a broken promise") {
  const QuietLog quiet;
  constexpr unsigned kSeeds = 12;
  for (unsigned i = 0; i < kFlushSiteCount; ++i) {
    Simulation found;
    unsigned tried = 0;
    for (unsigned seed = 1; seed <= kSeeds && found.violations == 0; ++seed)
      for (unsigned kind = 0; kind < 4 && found.violations == 0; ++kind, ++tried)
        found = simulate_without(FlushSite{static_cast<std::uint8_t>(i)}, kind, seed);
    CHECK_MESSAGE(found.violations > 0, kFlushSiteNames[i]);
    MESSAGE("without ", std::string(kFlushSiteNames[i]), ": ", found.first, " (run ", tried, ")");
  }
}

TEST_CASE("a space and a new volume come back from every crash") {
  const QuietLog quiet;
  std::size_t states = 0;
  for (const unsigned seed : crash_seeds(3))
    for (const unsigned kind : {0U, 1U}) {
      const auto subject = make_subject(kind);
      const Simulation simulation = simulate(*subject, {.seed = seed});
      states += simulation.states;
      CHECK_MESSAGE(simulation.violations == 0, simulation.first);
    }
  MESSAGE("crash states of spaces and new volumes: ", states);
}

TEST_SUITE_END();
