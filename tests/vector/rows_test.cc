// SPDX-License-Identifier: Apache-2.0
// Goal: rows keep their bytes and their places. Method: more than one segment, a reader beside
// the writer.
#include "vector/rows.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "vector/metric.h"

using namespace vexfs;

namespace {

std::vector<float> row_of(std::uint32_t number, std::uint32_t dimension) {
  std::vector<float> row(dimension);
  for (std::uint32_t i = 0; i < dimension; ++i) row[i] = static_cast<float>(number * 3 + i);
  return row;
}

}  // namespace

TEST_SUITE_BEGIN("vector/rows");

TEST_CASE("rows read back, are aligned and never move, across segments") {
  Rows rows(5);
  const std::uint32_t count = kSegmentSlots + 10;
  std::vector<const float*> places;
  for (std::uint32_t i = 0; i < count; ++i) {
    REQUIRE(rows.append(row_of(i, 5)) == i);
    places.push_back(rows.row(i));
  }
  CHECK(rows.size() == count);
  for (std::uint32_t i = 0; i < count; i += 97) {
    CHECK(rows.row(i) == places[i]);
    CHECK(reinterpret_cast<std::uintptr_t>(places[i]) % 64 == 0);
    CHECK(std::vector<float>(places[i], places[i] + 5) == row_of(i, 5));
  }
}

TEST_CASE("dimension 1 and the largest") {
  for (std::uint32_t dimension : {std::uint32_t{1}, kDimensionMax}) {
    Rows rows(dimension);
    REQUIRE(rows.append(row_of(7, dimension)) == Slot{0});
    CHECK(rows.row(0)[dimension - 1] == static_cast<float>(21 + dimension - 1));
  }
}

TEST_CASE("a reader sees whole rows below the size it read") {
  Rows rows(33);
  std::thread writer([&] {
    for (std::uint32_t i = 0; i < 20000; ++i) REQUIRE(rows.append(row_of(i, 33)));
  });
  std::uint32_t torn = 0;
  for (std::uint32_t seen = 0; seen < 20000;) {
    seen = rows.size();
    if (seen == 0) continue;
    const float* row = rows.row(seen - 1);
    if (std::vector<float>(row, row + 33) != row_of(seen - 1, 33)) ++torn;
  }
  writer.join();
  CHECK(torn == 0);
}

TEST_SUITE_END();
