// SPDX-License-Identifier: Apache-2.0
// Goal: a saved graph answers the same, and no damaged piece is believed. Method: each byte of a
// small graph with a flipped bit, each length cut, pieces of different saves mixed.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "hnsw/graph_format.h"
#include "tests/hnsw/test_data.h"

using namespace vexfs;
using namespace vexfs::test;

namespace {

constexpr std::uint64_t kSeed = 33;
using Pieces = std::vector<std::string>;

Pieces save(const Graph& graph) {
  Pieces pieces;
  REQUIRE(graph.save([&](std::uint32_t piece, Bytes bytes) -> Result<> {
    REQUIRE(piece == pieces.size());
    pieces.emplace_back(as_text(bytes));
    return {};
  }));
  return pieces;
}

Result<> load(Graph& graph, const Pieces& pieces) {
  return graph.load([&](std::uint32_t piece) -> Result<std::string> {
    if (piece >= pieces.size()) return fail(ENOENT, "test: no such piece");
    return pieces[piece];
  });
}

void fill(Graph& graph, Rows& rows, Mixture& data, Metric metric, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    REQUIRE(rows.append(data.draw(metric)));
    REQUIRE(graph.insert(rows.size() - 1));
  }
}

}  // namespace

TEST_SUITE_BEGIN("hnsw/save");

TEST_CASE("a loaded graph answers the same and takes changes") {
  CAPTURE(kSeed);
  for (Metric metric : {Metric::cosine, Metric::l2, Metric::ip}) {
    Mixture data(16, 20, kSeed);
    Rows rows(16);
    const GraphOptions options{.metric = metric};
    Graph graph(rows, options), loaded(rows, options);
    fill(graph, rows, data, metric, 2000);
    for (Slot slot = 0; slot < 2000; slot += 4) graph.erase(slot);
    REQUIRE(load(loaded, save(graph)));
    CHECK(loaded.live() == graph.live());
    for (int i = 0; i < 100; ++i) {
      const std::vector<float> query = data.draw(metric);
      CHECK(loaded.search(query, 10, 50, everything) == graph.search(query, 10, 50, everything));
    }
    CHECK(save(loaded) == save(graph));
    for (Slot slot = 1; slot < 1000; slot += 4) loaded.erase(slot);
    fill(loaded, rows, data, metric, 500);
    CHECK(reachable(loaded, rows) == loaded.live());
    CHECK(loaded.live() == 1500 - 250 + 500);
  }
}

TEST_CASE("an empty graph saves and loads") {
  Rows rows(4);
  Graph graph(rows, {}), loaded(rows, {});
  REQUIRE(load(loaded, save(graph)));
  CHECK(loaded.live() == 0);
  REQUIRE(rows.append(std::vector<float>{1, 0, 0, 0}));
  CHECK(loaded.insert(0));
}

TEST_CASE("a flipped bit or a cut anywhere is refused, and the graph stays usable") {
  Mixture data(4, 3, kSeed);
  Rows rows(4);
  const GraphOptions options{.metric = Metric::l2, .m = 4, .ef_construction = 20};
  Graph graph(rows, options), loaded(rows, options);
  fill(graph, rows, data, Metric::l2, 60);
  graph.erase(7);
  const Pieces good = save(graph);
  REQUIRE(good.size() == 1);
  for (std::size_t at = 0; at < good[0].size(); ++at) {
    CAPTURE(at);
    Pieces bad = good;
    bad[0][at] = static_cast<char>(bad[0][at] ^ (1 << (at % 8)));
    const Result<> result = load(loaded, bad);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == EUCLEAN);
    CHECK_FALSE(load(loaded, {good[0].substr(0, at)}));
  }
  CHECK_FALSE(load(loaded, {good[0] + "x"}));
  CHECK(loaded.live() == 0);
  for (Slot slot = 0; slot < 60; ++slot) CHECK_FALSE(loaded.contains(slot));
  CHECK(loaded.search(data.draw(Metric::l2), 5, 20, everything).empty());
  REQUIRE(load(loaded, good));
  CHECK(reachable(loaded, rows) == 59);
}

TEST_CASE("other parameters, other rows or a failed read are refused") {
  Mixture data(4, 3, kSeed);
  Rows rows(4), fewer_rows(4), wider_rows(5);
  const GraphOptions options{.metric = Metric::l2, .m = 4, .ef_construction = 20};
  Graph graph(rows, options);
  fill(graph, rows, data, Metric::l2, 20);
  const Pieces good = save(graph);
  const auto code_of = [&](const Rows& other_rows, GraphOptions other) {
    Graph loaded(other_rows, other);
    const Result<> result = load(loaded, good);
    return result ? 0 : result.error().code;
  };
  CHECK(code_of(rows, options) == 0);
  CHECK(code_of(fewer_rows, options) == EUCLEAN);
  CHECK(code_of(wider_rows, options) == EUCLEAN);
  CHECK(code_of(rows, {.metric = Metric::ip, .m = 4, .ef_construction = 20}) == EUCLEAN);
  CHECK(code_of(rows, {.metric = Metric::l2, .m = 5, .ef_construction = 20}) == EUCLEAN);
  CHECK(code_of(rows, {.metric = Metric::l2, .m = 4, .ef_construction = 21}) == EUCLEAN);
  CHECK(code_of(rows, {.metric = Metric::l2, .m = 4, .ef_construction = 20, .seed = 2}) == EUCLEAN);
  Graph loaded(rows, options);
  CHECK(load(loaded, {}).error().code == ENOENT);
}

TEST_CASE("a large graph is several pieces, which belong together") {
  Rows rows(1);
  const GraphOptions options{.metric = Metric::l2, .m = 2, .ef_construction = 4};
  Graph graph(rows, options);
  const Slot first = kPieceSlots - 50;
  for (Slot slot = 0; slot < kPieceSlots + 50; ++slot)
    REQUIRE(rows.append(std::vector<float>{static_cast<float>(slot * 7919 % 1000)}));
  for (Slot slot = first; slot < rows.size(); ++slot) REQUIRE(graph.insert(slot));
  const Pieces before = save(graph);
  REQUIRE(before.size() == 2);
  graph.erase(first);
  const Pieces after = save(graph);
  Graph loaded(rows, options);
  CHECK(load(loaded, {after[0], before[1]}).error().code == EUCLEAN);
  CHECK(load(loaded, {after[1], after[0]}).error().code == EUCLEAN);
  REQUIRE(load(loaded, after));
  CHECK(loaded.live() == 99);
}

TEST_CASE("a refused write ends the save with its error") {
  Rows rows(4);
  Graph graph(rows, {});
  const auto full = [](std::uint32_t, Bytes) -> Result<> { return fail(ENOSPC, "test: full"); };
  CHECK(graph.save(full).error().code == ENOSPC);
}

TEST_SUITE_END();
