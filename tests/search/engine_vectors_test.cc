// SPDX-License-Identifier: Apache-2.0
// Goal: vectors that people bring are found by the next question, in whatever way they come, and
// nothing that has gone is. Method: the engine on naive files; answers against brute force.
#include <set>

#include "search/space.h"
#include "tests/search/engine_fixture.h"
#include "vector/distance.h"

namespace vexfs {
namespace {

// Row numbers by true distance.
std::vector<std::uint64_t> nearest_rows(const std::vector<std::vector<float>>& rows,
                                        const std::vector<float>& query, std::size_t k) {
  std::vector<std::pair<float, std::uint64_t>> order;
  for (std::size_t i = 0; i < rows.size(); ++i)
    order.emplace_back(distance(Metric::l2, query, rows[i]), i);
  std::ranges::sort(order);
  std::vector<std::uint64_t> best;
  for (std::size_t i = 0; i < std::min(k, order.size()); ++i) best.push_back(order[i].second);
  return best;
}

std::vector<std::uint64_t> row_numbers(const Answer& answer) {
  std::vector<std::uint64_t> rows;
  for (const Hit& hit : answer.hits) rows.push_back(hit.locator.first);
  return rows;
}

}  // namespace

TEST_CASE_FIXTURE(EngineFixture, "a vector set on a file is found by the next question") {
  const Ino a = files.create(kRootIno, "a.jpg", "x");
  const Ino b = files.create(kRootIno, "b.jpg", "y");
  files.set_vector(a, {1, 0, 0});
  files.set_vector(b, {0, 1, 0});
  CHECK(paths(near({0.9f, 0.1f, 0})) == std::vector<std::string>{"a.jpg", "b.jpg"});
  files.set_vector(a, {0, 0, 1});
  CHECK(paths(near({0, 0.9f, 0.1f}, {.k = 1})) == std::vector<std::string>{"b.jpg"});
  files.set_vector(b, {});
  CHECK(paths(near({0, 1, 0})) == std::vector<std::string>{"a.jpg"});
  SUBCASE("it outlives a change of the content") {
    files.write(a, "something else");
    CHECK(has(near({0, 1, 0}), "a.jpg"));
  }
  SUBCASE("it goes with its file") {
    files.unlink(a);
    CHECK(near({0, 1, 0}).hits.empty());
  }
  SUBCASE("its neighbours are found through it") {
    files.set_vector(b, {0, 0.1f, 1});
    const Answer answer = ask(Question{.similar_to = a});
    CHECK(paths(answer) == std::vector<std::string>{"b.jpg"});
  }
  SUBCASE("a remount and a crash keep it") {
    remount();
    CHECK(has(near({0, 1, 0}), "a.jpg"));
    crash();
    settle();
    CHECK(has(near({0, 1, 0}), "a.jpg"));
  }
}

TEST_CASE_FIXTURE(EngineFixture, "a vector that does not fit is parked until a collection fits") {
  const Ino pictures = files.mkdir(kRootIno, "pictures");
  const Ino a = files.create(kRootIno, "a.jpg", "x");
  const Ino b = files.create(pictures, "b.jpg", "y");
  files.set_vector(a, {1, 0, 0});
  files.set_vector(b, {1, 0});
  CHECK(status(b) == "skipped: dimension 2, collection has 3");
  CHECK(engine->counts(kRootIno)->skipped == 1);
  CHECK(near({1, 0}).left_out == 1);
  REQUIRE(engine->set_collection(pictures, R"({"dim":2,"metric":"l2"})"));
  settle();
  CHECK(status(b).starts_with("indexed"));
  CHECK(paths(near({1, 0})) == std::vector<std::string>{"pictures/b.jpg"});
  CHECK(paths(near({1, 0}, {}, pictures)) == std::vector<std::string>{"b.jpg"});
  SUBCASE("and when the root is removed, it is parked again") {
    REQUIRE(engine->remove_collection(pictures));
    settle();
    CHECK(status(b).starts_with("skipped"));
    CHECK(near({1, 0}).hits.empty());
  }
}

TEST_CASE_FIXTURE(EngineFixture, "a question without a direction is refused where none is asked") {
  const Ino a = files.create(kRootIno, "a.jpg", "x");
  CHECK(near({0, 0, 0}).hits.empty());  // nothing is there to ask
  files.set_vector(a, {1, 0, 0});
  CHECK(engine->ask({.vector = {0, 0, 0}}).error().code == EINVAL);
  const Ino maps = files.mkdir(kRootIno, "maps");
  REQUIRE(engine->set_collection(maps, R"({"dim":3,"metric":"l2"})"));
  files.set_vector(files.create(maps, "b.jpg", "y"), {0, 1, 0});
  settle();
  const Answer answer = near({0, 0, 0});
  CHECK(paths(answer) == std::vector<std::string>{"maps/b.jpg"});
  CHECK(answer.left_out == 1);
}

TEST_CASE_FIXTURE(EngineFixture, "what nobody can hold is refused with a reason") {
  const Ino a = files.create(kRootIno, "a.jpg", "x");
  CHECK(engine->check_vector(a, std::vector<float>{}).error().code == EINVAL);
  CHECK(engine->check_vector(a, std::vector<float>(4097, 1)).error().code == EINVAL);
  CHECK(engine->check_vector(a, std::vector<float>{1, NAN}).error().code == EINVAL);
  CHECK(engine->check_vector(a, std::vector<float>{0, 0}).error().code == EINVAL);
  CHECK(engine->errors({.uid = 0}).find("a.jpg: ") != std::string::npos);
  CHECK(engine->set_collection(kRootIno, R"({"dim":0})").error().code == EINVAL);
  CHECK(engine->set_collection(kRootIno, R"({"dims":3})").error().code == EINVAL);
  CHECK(engine->set_collection(kRootIno, R"({"embedder":"gpt"})").error().code == EINVAL);
  for (const char* bad : {R"({"recall":0.4})", R"({"recall":1.1})", R"({"recall":"0.9"})"})
    CHECK(engine->set_collection(kRootIno, bad).error().code == EINVAL);
  files.set_vector(a, {1, 2});
  settle();
  CHECK(status(a).find("vector=user") != std::string::npos);
  CHECK(engine->set_collection(kRootIno, R"({"dim":3})").error().code == EINVAL);
  CHECK(engine->set_collection(kRootIno, R"({"metric":"l2"})").error().code == EINVAL);
  CHECK(engine->set_collection(kRootIno, R"({"dim":2,"metric":"cosine"})").has_value());
  CHECK(engine->set_collection(kRootIno, R"({"dim":2,"recall":0.95})").has_value());
  CHECK(engine->collection(kRootIno)->find(R"("recall":0.95)") != std::string::npos);
}

TEST_CASE_FIXTURE(EngineFixture, "rows of a file of vectors are found, and follow its content") {
  const Ino sift = files.mkdir(kRootIno, "sift");
  REQUIRE(engine->set_collection(sift, R"({"dim":16,"metric":"l2","embedder":"none"})"));
  std::mt19937 random(7);
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 500; ++i) rows.push_back(random_vector(random, 16));
  const Ino file = files.create(sift, "base.fvecs", fvecs(rows));
  settle();
  CHECK(status(file).starts_with("indexed rows=500"));
  const auto query = random_vector(random, 16);
  CHECK(row_numbers(near(query)) == nearest_rows(rows, query, 10));

  SUBCASE("changed in place") {
    rows[3] = query;
    files.write(file, fvecs(rows));
    settle();
    CHECK(row_numbers(near(query)) == nearest_rows(rows, query, 10));
    CHECK(near(query).hits.front().locator.first == 3);
  }
  SUBCASE("rows that nobody can hold are left out and counted") {
    rows[7][3] = NAN;
    files.write(file, fvecs(rows));
    settle();
    CHECK(status(file).starts_with("indexed rows=499 left_out=1 "));
    CHECK(near(query, {.k = 600}).hits.size() == 499);
    remount();
    CHECK(status(file).starts_with("indexed rows=499 left_out=1 "));
  }
  SUBCASE("shorter") {
    rows.resize(100);
    files.write(file, fvecs(rows));
    settle();
    CHECK(row_numbers(near(query, {.k = 200})) == nearest_rows(rows, query, 200));
  }
  SUBCASE("no longer a file of vectors") {
    files.write(file, "oops");
    settle();
    CHECK(status(file).starts_with("failed: "));
    CHECK(near(query).hits.empty());
    CHECK(near(query).failed == 1);
  }
  SUBCASE("renamed and unlinked at once") {
    files.rename(file, sift, "other.fvecs");
    CHECK(near(query).hits.front().path == "sift/other.fvecs");
    files.unlink(file);
    CHECK(near(query).hits.empty());
  }
  SUBCASE("after a remount, without being read again") {
    const auto before = files.reads();
    remount();
    settle();
    CHECK(row_numbers(near(query)) == nearest_rows(rows, query, 10));
    CHECK(files.reads() == before);
  }
  SUBCASE("after a crash") {
    crash();
    settle();
    CHECK(row_numbers(near(query)) == nearest_rows(rows, query, 10));
  }
}

TEST_CASE_FIXTURE(EngineFixture, "10,000 rows of 128 are found with recall 0.95, also remounted") {
  const Ino sift = files.mkdir(kRootIno, "sift");
  REQUIRE(engine->set_collection(sift, R"({"dim":128,"metric":"l2","embedder":"none"})"));
  std::mt19937 random(11);
  // Clustered, as real vectors are.
  std::vector<std::vector<float>> centres, rows;
  for (int i = 0; i < 100; ++i) centres.push_back(random_vector(random, 128));
  for (int i = 0; i < 10000; ++i) {
    rows.push_back(centres[random() % centres.size()]);
    const auto noise = random_vector(random, 128);
    for (std::size_t d = 0; d < 128; ++d) rows.back()[d] += 0.7f * noise[d];
  }
  files.create(sift, "base.fvecs", fvecs(rows));
  settle();
  const auto recall = [&] {
    std::mt19937 again(13);
    std::size_t found = 0;
    for (int q = 0; q < 100; ++q) {
      auto query = centres[again() % centres.size()];
      const auto noise = random_vector(again, 128);
      for (std::size_t d = 0; d < 128; ++d) query[d] += 0.7f * noise[d];
      const auto truth = nearest_rows(rows, query, 10);
      const std::set<std::uint64_t> expected(truth.begin(), truth.end());
      for (const std::uint64_t row : row_numbers(near(query))) found += expected.count(row);
      CHECK(row_numbers(near(query, {.exact = true})) == truth);
    }
    return static_cast<double>(found) / 1000;
  };
  CHECK(recall() >= 0.95);
  const auto before = files.reads();
  remount();
  settle();
  CHECK(recall() >= 0.95);
  CHECK(files.reads() == before);
}

}  // namespace vexfs
