// SPDX-License-Identifier: Apache-2.0
// Goal: every submitted job runs once, also those still waiting at the end.
#include "base/workers.h"

#include <doctest/doctest.h>

#include <atomic>

using namespace vexfs;

TEST_SUITE_BEGIN("base/workers");

TEST_CASE("the end waits for every job") {
  std::atomic<int> ran = 0;
  {
    Workers workers("test", 3);
    for (int i = 0; i < 1000; ++i) workers.submit([&ran] { ++ran; });
  }
  CHECK(ran == 1000);
}

TEST_CASE("a job may submit another") {
  std::atomic<int> ran = 0;
  {
    Workers workers("test", 1);
    workers.submit([&] { workers.submit([&ran] { ++ran; }); });
  }
  CHECK(ran == 1);
}

TEST_SUITE_END();
