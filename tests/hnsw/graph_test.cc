// SPDX-License-Identifier: Apache-2.0
// Goal: the graph finds what an exact scan finds, and every live node stays reachable through
// any history of inserts and erases. Method: seeded mixtures, the exact scan as the model.
#include "hnsw/graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/hnsw/test_data.h"

using namespace vexfs;
using namespace vexfs::test;

namespace {

constexpr std::uint64_t kSeed = 20;
constexpr Metric kMetrics[] = {Metric::cosine, Metric::l2, Metric::ip};

void insert_new(Graph& graph, Rows& rows, Mixture& data, Metric metric, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const auto slot = rows.append(data.draw(metric));
    REQUIRE(slot);
    REQUIRE(graph.insert(*slot));
  }
}

void check_sorted_and_unique(const std::vector<Neighbour>& answer) {
  CHECK(std::ranges::is_sorted(answer));
  std::set<Slot> slots;
  for (const Neighbour& n : answer) CHECK(slots.insert(n.slot).second);
}

}  // namespace

TEST_SUITE_BEGIN("hnsw/graph");

TEST_CASE("recall@10 is at least 0.95 for every metric") {
  CAPTURE(kSeed);
  for (Metric metric : kMetrics) {
    CAPTURE(name_of(metric));
    Mixture data(32, 50, kSeed);
    Rows rows(32);
    Graph graph(rows, {.metric = metric});
    insert_new(graph, rows, data, metric, 4000);
    const double recall = recall_of(graph, rows, metric, data, 200, 10, 100);
    MESSAGE("recall " << name_of(metric) << " " << recall);
    CHECK(recall >= 0.95);
    CHECK(reachable(graph, rows) == 4000);
  }
}

TEST_CASE("an empty graph, then one element, then none") {
  Rows rows(3);
  Graph graph(rows, {.metric = Metric::l2});
  const std::vector<float> query = {1, 2, 3};
  CHECK(graph.search(query, 10, 100, everything).empty());
  REQUIRE(rows.append(query));
  REQUIRE(graph.insert(0));
  CHECK(graph.insert(0).error().code == EEXIST);
  CHECK(graph.search(query, 10, 100, everything) == std::vector<Neighbour>{{0, 0}});
  CHECK(graph.search(query, 0, 0, everything).empty());
  graph.erase(0);
  graph.erase(0);
  graph.erase(1234567);
  CHECK(graph.live() == 0);
  CHECK_FALSE(graph.contains(0));
  CHECK(graph.search(query, 10, 100, everything).empty());
}

TEST_CASE("dimension 1 and the largest") {
  CAPTURE(kSeed);
  for (std::uint32_t dimension : {std::uint32_t{1}, kDimensionMax})
    for (Metric metric : {Metric::l2, Metric::cosine}) {
      CAPTURE(dimension);
      Mixture data(dimension, 5, kSeed);
      Rows rows(dimension);
      Graph graph(rows, {.metric = metric, .m = 8, .ef_construction = 40});
      insert_new(graph, rows, data, metric, 300);
      CHECK(reachable(graph, rows) == 300);
      // Cosine in one dimension knows two directions; which of many equals is answered is open.
      if (metric == Metric::l2 || dimension > 1)
        CHECK(recall_of(graph, rows, metric, data, 20, 10, 100) >= 0.95);
    }
}

TEST_CASE("equal rows are all found") {
  Rows rows(8);
  Graph graph(rows, {.metric = Metric::l2});
  for (Slot slot = 0; slot < 1000; ++slot) {
    REQUIRE(rows.append(std::vector<float>(8, slot < 900 ? 1.0f : 2.0f)));
    REQUIRE(graph.insert(slot));
  }
  CHECK(reachable(graph, rows) == 1000);
  const std::vector<float> query(8, 2.0f);
  const auto answer = graph.search(query, 100, 100, everything);
  REQUIRE(answer.size() == 100);
  check_sorted_and_unique(answer);
  for (const Neighbour& n : answer) CHECK(n.slot >= 900);
}

TEST_CASE("rounds of erasing and inserting keep recall and reach") {
  CAPTURE(kSeed);
  const Metric metric = Metric::l2;
  // Walks over both planes of the codes, and over the coarse one.
  std::uint32_t dimension = 0;
  SUBCASE("few components") {
    dimension = 24;
  }
  SUBCASE("many") {
    dimension = 130;
  }
  CAPTURE(dimension);
  Mixture data(dimension, 40, kSeed);
  Rows rows(dimension);
  Graph graph(rows, {.metric = metric});
  insert_new(graph, rows, data, metric, 2000);
  std::mt19937 rng(7);
  std::vector<Slot> live(2000);
  for (Slot slot = 0; slot < 2000; ++slot) live[slot] = slot;
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    std::ranges::shuffle(live, rng);
    for (int i = 0; i < 400; ++i) {
      graph.erase(live.back());
      CHECK_FALSE(graph.contains(live.back()));
      live.pop_back();
    }
    CHECK(reachable(graph, rows) == 1600);
    for (int i = 0; i < 400; ++i) live.push_back(rows.size() + static_cast<Slot>(i));
    insert_new(graph, rows, data, metric, 400);
    CHECK(graph.live() == 2000);
    CHECK(reachable(graph, rows) == 2000);
  }
  Graph fresh(rows, {.metric = metric});
  for (Slot slot : live) REQUIRE(fresh.insert(slot));
  Mixture questions(dimension, 40, kSeed), same_questions(dimension, 40, kSeed);
  const double changed = recall_of(graph, rows, metric, questions, 300, 10, 60);
  const double built = recall_of(fresh, rows, metric, same_questions, 300, 10, 60);
  MESSAGE("recall after changes " << changed << ", of a fresh build " << built);
  CHECK(changed >= built - 0.01);
}

TEST_CASE("everything may be erased, in any order, and the graph is used again") {
  CAPTURE(kSeed);
  for (int order = 0; order < 3; ++order) {
    Mixture data(16, 10, kSeed);
    Rows rows(16);
    Graph graph(rows, {.metric = Metric::l2, .m = 4, .ef_construction = 30});
    insert_new(graph, rows, data, Metric::l2, 500);
    for (Slot i = 0; i < 500; ++i) {
      graph.erase(order == 0 ? i : order == 1 ? 499 - i : i * 7 % 500);
      if (i % 50 == 0) CHECK(reachable(graph, rows) == 499 - i);
    }
    CHECK(graph.live() == 0);
    CHECK(reachable(graph, rows) == 0);
    insert_new(graph, rows, data, Metric::l2, 500);
    CHECK(reachable(graph, rows) == 500);
    CHECK(recall_of(graph, rows, Metric::l2, data, 50, 10, 100) >= 0.95);
  }
}

TEST_CASE("a filter gets its k, however few pass") {
  CAPTURE(kSeed);
  Mixture data(24, 40, kSeed);
  Rows rows(24);
  Graph graph(rows, {.metric = Metric::l2});
  insert_new(graph, rows, data, Metric::l2, 4000);
  for (Slot one_in : {2, 10, 100, 500}) {
    CAPTURE(one_in);
    const auto accept = [&](Slot slot) { return slot % one_in == 0; };
    const double recall = recall_of(graph, rows, Metric::l2, data, 50, 8, 60, accept);
    MESSAGE("one in " << one_in << " recall " << recall);
    CHECK(recall >= 0.95);
    const auto answer = graph.search(data.draw(Metric::l2), 8, 60, accept);
    CHECK(answer.size() == 8);
    check_sorted_and_unique(answer);
    for (const Neighbour& n : answer) CHECK(accept(n.slot));
  }
  CHECK(graph.search(data.draw(Metric::l2), 8, 60, [](Slot) { return false; }).empty());
}

TEST_CASE("a graph samples its own recall") {
  CAPTURE(kSeed);
  Mixture data(24, 40, kSeed);
  Rows rows(24);
  Graph graph(rows, {.metric = Metric::l2});
  CHECK(graph.sample_recall(20, 10, 100, 1) == 1);
  insert_new(graph, rows, data, Metric::l2, 1);
  CHECK(graph.sample_recall(20, 10, 100, 1) == 1);
  insert_new(graph, rows, data, Metric::l2, 2000);
  for (Slot slot = 0; slot < 1000; ++slot) graph.erase(slot);
  CHECK(graph.sample_recall(50, 10, 100, 1) >= 0.95);
  CHECK(graph.sample_recall(50, 10, 100, 2) <= 1);
  for (Slot slot = 1000; slot < 2001; ++slot) graph.erase(slot);
  CHECK(graph.sample_recall(50, 10, 100, 1) == 1);
}

TEST_CASE("a query far outside the rows is still answered right") {
  CAPTURE(kSeed);
  Mixture data(24, 40, kSeed);
  Rows rows(24);
  Graph graph(rows, {.metric = Metric::l2});
  insert_new(graph, rows, data, Metric::l2, 2000);
  for (float scale : {0.0f, 3.0f, 100.0f, 1e6f}) {
    CAPTURE(scale);
    std::size_t found = 0;
    for (int i = 0; i < 20; ++i) {
      std::vector<float> query = data.draw(Metric::l2);
      for (float& x : query) x *= scale;
      const auto truth = exact_search(rows, Metric::l2, query, 10, everything);
      for (const Neighbour& n : graph.search(query, 10, 100, everything))
        found += std::ranges::find(truth, n.slot, &Neighbour::slot) != truth.end();
    }
    // From far away all rows are nearly as far: the hardest questions there are.
    CHECK(found >= 180);
  }
}

TEST_CASE("a beam is as wide as a target of recall needs, and no wider") {
  CAPTURE(kSeed);
  Mixture data(100, 40, kSeed);
  Rows rows(100);
  Graph graph(rows, {.metric = Metric::l2, .m = 4, .ef_construction = 20});
  CHECK(graph.width_for(0.9, 10, 10, 1).recall == 1);  // of nothing, nothing is missing
  insert_new(graph, rows, data, Metric::l2, 4000);
  std::uint32_t before = 0;
  for (double target : {0.5, 0.8, 0.9, 0.95, 0.98}) {
    CAPTURE(target);
    const Graph::Width width = graph.width_for(target, 40, 10, 1);
    CHECK(width.recall >= target);
    CHECK(width.ef >= before);
    // The recall is that of the same questions asked with this width; one narrower has less.
    CHECK(graph.sample_recall(40, 10, width.ef, 1) == width.recall);
    if (width.ef > 16) CHECK(graph.sample_recall(40, 10, width.ef / 2, 1) < target);
    before = width.ef;
  }
  CHECK(before > 16);                              // so the targets told something
  CHECK(graph.width_for(2, 5, 10, 1).ef == 2048);  // what cannot be had takes the widest
}

TEST_CASE("rows that drift away from the first ones are found as well") {
  CAPTURE(kSeed);
  Mixture data(24, 40, kSeed);
  Rows rows(24);
  Graph graph(rows, {.metric = Metric::l2});
  const auto insert_scaled = [&](float scale, float shift, int count) {
    for (int i = 0; i < count; ++i) {
      std::vector<float> row = data.draw(Metric::l2);
      for (float& x : row) x = x * scale + shift;
      REQUIRE(rows.append(row));
      REQUIRE(graph.insert(rows.size() - 1));
    }
  };
  insert_scaled(0.01f, 0, 1);
  insert_scaled(1, 0, 1500);
  insert_scaled(1, 100, 2500);
  CHECK(reachable(graph, rows) == 4001);
  std::size_t found = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<float> query = data.draw(Metric::l2);
    for (float& x : query) x += i % 2 == 0 ? 0.0f : 100.0f;
    const auto truth = exact_search(rows, Metric::l2, query, 10, everything);
    for (const Neighbour& n : graph.search(query, 10, 100, everything))
      found += std::ranges::find(truth, n.slot, &Neighbour::slot) != truth.end();
  }
  MESSAGE("recall after drift " << static_cast<double>(found) / 1000);
  CHECK(found >= 950);
}

TEST_CASE("under ip, a row longer than all before it is found at once") {
  CAPTURE(kSeed);
  Mixture data(40, 40, kSeed);
  Rows rows(40);
  Graph graph(rows, {.metric = Metric::ip});
  insert_new(graph, rows, data, Metric::ip, 1500);
  for (float scale : {1.5f, 2.0f, 5.0f}) {
    std::vector<float> row = data.draw(Metric::ip);
    for (float& x : row) x *= scale;
    REQUIRE(rows.append(row));
    REQUIRE(graph.insert(rows.size() - 1));
    const auto answer = graph.search(row, 1, 50, everything);
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].slot == rows.size() - 1);
    CHECK(recall_of(graph, rows, Metric::ip, data, 50, 10, 100) >= 0.95);
  }
}

TEST_CASE("one thread, one seed: one graph") {
  std::string saved[2];
  for (std::string& all : saved) {
    Mixture data(16, 10, kSeed);
    Rows rows(16);
    Graph graph(rows, {.metric = Metric::ip, .seed = 5});
    insert_new(graph, rows, data, Metric::ip, 1000);
    for (Slot slot = 0; slot < 1000; slot += 3) graph.erase(slot);
    REQUIRE(graph.save([&](std::uint32_t, Bytes bytes) -> Result<> {
      all += as_text(bytes);
      return {};
    }));
  }
  CHECK(saved[0] == saved[1]);
}

TEST_CASE("a search counts what it did") {
  Mixture data(16, 10, kSeed);
  Rows rows(16);
  Graph graph(rows, {.metric = Metric::l2});
  insert_new(graph, rows, data, Metric::l2, 1000);
  SearchStats stats;
  graph.search(data.draw(Metric::l2), 10, 50, everything, &stats);
  CHECK(stats.hops >= 50);
  CHECK(stats.distances > stats.hops);
  CHECK(stats.distances < 1000);
}

TEST_SUITE_END();
