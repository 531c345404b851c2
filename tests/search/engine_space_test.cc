// SPDX-License-Identifier: Apache-2.0
// Goal: a space answers as if it compared every live row, whether they are in its graph, in its
// tail, or came back from the volume. Method: random rows and kills against brute force.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "search/planner.h"
#include "search/space_store.h"
#include "tests/support/model_volume.h"
#include "vector/distance.h"

namespace vexfs {
namespace {

constexpr std::uint32_t kDimension = 24;

struct SpaceFixture {
  std::vector<float> random_row() {
    std::normal_distribution<float> normal;
    std::vector<float> row(kDimension);
    for (float& value : row) value = normal(random);
    return row;
  }
  void append(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      const auto row = random_row();
      const std::uint32_t n = space->size();
      REQUIRE(space->append(
          {.ino = Ino{n / 10 + 2}, .check = n, .part = n % 10, .generation = 5, .values = row}));
    }
  }
  std::vector<Neighbour> brute(const std::vector<float>& query, std::uint32_t k) {
    std::vector<Neighbour> all;
    for (Slot slot = 0; slot < space->size(); ++slot)
      if (!space->columns().dead(slot))
        all.push_back({distance(Metric::l2, query, {space->row(slot), kDimension}), slot});
    std::ranges::sort(all);
    if (all.size() > k) all.resize(k);
    return all;
  }
  double recall(bool exact) {
    std::size_t found = 0, wanted = 0;
    for (int q = 0; q < 50; ++q) {
      const auto query = random_row();
      const auto truth = brute(query, 10);
      std::set<Slot> expected;
      for (const Neighbour& n : truth) expected.insert(n.slot);
      for (const Neighbour& n :
           space->nearest(query, {.k = 10, .ef = 200, .exact = exact}, [](Slot) { return true; }))
        found += expected.count(n.slot);
      wanted += truth.size();
    }
    return static_cast<double>(found) / static_cast<double>(wanted);
  }
  void grow_all() {
    for (;;) {
      const auto grown = space->grow_graph(1000);
      REQUIRE(grown.has_value());
      if (!*grown) return;
    }
  }

  std::mt19937 random{3};
  ModelVolume volume;
  SpaceIdentity identity{
      .id = 9, .collection = kRootIno, .dimension = kDimension, .metric = Metric::l2};
  std::unique_ptr<Space> space = std::make_unique<Space>(identity);
};

constexpr auto no_words = [](Bytes) -> Result<> { return {}; };

}  // namespace

TEST_CASE_FIXTURE(SpaceFixture, "a small space has no graph and is exact") {
  append(kGraphRowsMin - 1);
  CHECK_FALSE(*space->grow_graph(1000));
  CHECK(recall(false) == 1);
}

TEST_CASE_FIXTURE(SpaceFixture, "graph and tail together answer, and killed rows do not") {
  append(6000);
  grow_all();
  CHECK(space->graphed() == 6000);
  append(500);
  for (int i = 0; i < 1500; ++i) space->kill(static_cast<Slot>(random() % space->size()));
  CHECK(recall(false) >= 0.95);
  CHECK(recall(true) == 1);
  grow_all();
  CHECK(recall(false) >= 0.95);
}

TEST_CASE_FIXTURE(SpaceFixture, "what is saved in pieces comes back, graph and all") {
  SpaceStore store(volume, identity);
  Transaction made;
  made.put(Tree::space, search_key::space(kRootIno, SpaceKind::user),
           as_bytes(SpaceStore::encode(identity, 0, 0, 0)));
  REQUIRE(volume.commit(made));
  for (int i = 0; i < 12; ++i) {
    append(1 + static_cast<std::uint32_t>(random() % 1000));
    REQUIRE(store.save(*space, nullptr, space->size()));
  }
  append(5000);
  grow_all();
  REQUIRE(store.save(*space, nullptr, space->size()));
  REQUIRE(store.save_graph(*space, true));
  append(100);  // not saved

  std::string value;
  const Key key = search_key::space(kRootIno, SpaceKind::user);
  REQUIRE(volume.get(Tree::space, key, value, Wait::allowed));
  auto again = SpaceStore::decode(volume, key, as_bytes(value));
  REQUIRE(again);
  CHECK(again->saved() == space->size() - 100);
  auto loaded = std::make_unique<Space>(again->identity());
  REQUIRE(again->load(*loaded, no_words));
  CHECK(loaded->size() == again->saved());
  CHECK(loaded->live() == 0);
  for (Slot slot = 0; slot < loaded->size(); ++slot) {
    CHECK(loaded->columns().ino(slot) == space->columns().ino(slot));
    CHECK(loaded->columns().check(slot) == space->columns().check(slot));
    if (slot % 3 != 0) loaded->revive(slot, slot % 10, 5);
  }
  REQUIRE(again->load_graph(*loaded));
  space = std::move(loaded);
  CHECK(recall(false) >= 0.95);
  CHECK(recall(true) == 1);
  REQUIRE(again->remove([] { return false; }));
  std::size_t left = 0;
  REQUIRE(
      volume.scan(Tree::space, {}, {}, [&](Bytes, Bytes) { return ++left, true; }, Wait::allowed));
  CHECK(left == 0);
}

TEST_CASE_FIXTURE(SpaceFixture, "a beam's width is sampled anew when target or graph change") {
  append(kGraphRowsMin);
  CHECK_FALSE(space->sample_width(0.9));  // no graph yet
  CHECK(space->width().ef == kEfUnsampled);
  CHECK(space->width().recall == 0);
  grow_all();
  CHECK(space->sample_width(0.9));
  CHECK(space->width().recall >= 0.9f);
  const std::uint32_t ef = space->width().ef;
  CHECK_FALSE(space->sample_width(0.9));
  CHECK(space->sample_width(1));
  CHECK(space->width().ef >= ef);
  CHECK(first_plan(*space, {.k = 10}, false, [](Slot) { return true; }).search.ef >=
        space->width().ef);
  CHECK(first_plan(*space, {.k = 10, .ef = 77}, false, [](Slot) { return true; }).search.ef == 77);
  append(kGraphRowsMin / 2);
  grow_all();
  CHECK(space->sample_width(1));
  CHECK_FALSE(space->sample_width(1));
}

TEST_CASE_FIXTURE(SpaceFixture, "rows come and go while questions run") {
  append(kGraphRowsMin);
  std::atomic<bool> stop{false};
  std::thread asks([&] {
    const std::vector<float> query(kDimension, 0.1f);
    while (!stop) space->nearest(query, {.k = 10}, [](Slot) { return true; });
  });
  std::thread grows([&] {
    while (!stop) REQUIRE(space->grow_graph(50).has_value());
  });
  for (int i = 0; i < 40; ++i) {
    append(20);
    for (int j = 0; j < 10; ++j) space->kill(static_cast<Slot>(random() % space->size()));
  }
  stop = true;
  asks.join();
  grows.join();
  CHECK(recall(true) == 1);
}

}  // namespace vexfs
