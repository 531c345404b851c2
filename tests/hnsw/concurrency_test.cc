// SPDX-License-Identifier: Apache-2.0
// Goal: inserts, erases, searches and saves beside each other break nothing. Method: threads on
// one graph, then the checks of a quiet graph; worth most under the thread sanitizer.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "tests/hnsw/test_data.h"

using namespace vexfs;
using namespace vexfs::test;

namespace {

constexpr std::uint64_t kSeed = 50;
constexpr std::uint32_t kDimension = 100;  // walks go over the coarse plane

}  // namespace

TEST_SUITE_BEGIN("hnsw/concurrency");

TEST_CASE("a graph built by several threads is as good as one built by one") {
  CAPTURE(kSeed);
  Mixture data(kDimension, 20, kSeed);
  Rows rows(kDimension);
  for (int i = 0; i < 3000; ++i) REQUIRE(rows.append(data.draw(Metric::l2)));
  Graph graph(rows, {.metric = Metric::l2});
  std::atomic<Slot> next = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (Slot slot; (slot = next++) < rows.size();) REQUIRE(graph.insert(slot));
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(graph.live() == 3000);
  CHECK(reachable(graph, rows) == 3000);
  CHECK(recall_of(graph, rows, Metric::l2, data, 100, 10, 100) >= 0.95);
}

TEST_CASE("inserts, erases, searches and saves run beside each other") {
  CAPTURE(kSeed);
  Mixture data(kDimension, 20, kSeed), questions(kDimension, 20, kSeed + 1);
  Rows rows(kDimension);
  Graph graph(rows, {.metric = Metric::l2, .m = 6, .ef_construction = 40});
  std::atomic<Slot> inserted = 0;
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> wrong = 0;
  std::thread writer([&] {
    for (int i = 0; i < 3000; ++i) {
      const auto slot = rows.append(data.draw(Metric::l2));
      if (!slot || !graph.insert(*slot)) ++wrong;
      inserted = *slot + 1;
    }
    done = true;
  });
  std::vector<std::thread> erasers;
  for (Slot rest : {1, 2})
    erasers.emplace_back([&, rest] {
      for (Slot slot = rest; !done || slot < inserted;)
        if (slot < inserted) {
          graph.erase(slot);
          slot += 3;
        } else {
          std::this_thread::yield();
        }
    });
  std::thread saver([&] {
    while (!done) {
      if (!graph.save([](std::uint32_t, Bytes) -> Result<> { return {}; })) ++wrong;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  while (!done) {
    const auto answer = graph.search(questions.draw(Metric::l2), 10, 40, everything);
    if (!std::ranges::is_sorted(answer)) ++wrong;
    for (const Neighbour& n : answer) wrong += n.slot >= rows.size();
  }
  writer.join();
  for (std::thread& eraser : erasers) eraser.join();
  saver.join();
  CHECK(wrong == 0);
  CHECK(graph.live() == 1000);
  CHECK(reachable(graph, rows) == 1000);
  const double recall = recall_of(graph, rows, Metric::l2, questions, 100, 10, 100);
  MESSAGE("recall " << recall);
  CHECK(recall >= 0.9);  // m is small, and the questions come from other clusters
}

TEST_SUITE_END();
