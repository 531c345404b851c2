// SPDX-License-Identifier: Apache-2.0
// Goal: quantiles are right to 1/16, and both views show what was recorded.
// Method: the sorted list of the same values, printed seed.
#include "base/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace vexfs;

TEST_SUITE_BEGIN("base/metrics");

TEST_CASE("a quantile is never low and at most a sixteenth too high") {
  const unsigned seed = 5;
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(rng() >> (24 + rng() % 40));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (double q : {.01, .5, .95, .99, .999}) {
    CAPTURE(q);
    const auto exact = values[static_cast<std::size_t>(q * static_cast<double>(values.size()))];
    CHECK(histogram.quantile_ns(q) >= exact);
    CHECK(static_cast<double>(histogram.quantile_ns(q)) <= static_cast<double>(exact) * 17 / 16);
  }
  CHECK(histogram.count() == values.size());
}

TEST_CASE("an empty histogram and a huge value are answered") {
  Histogram histogram;
  CHECK(histogram.quantile_ns(.5) == 0);
  histogram.record(~0ull);
  CHECK(histogram.quantile_ns(.5) >= 1'000'000'000'000ull);
}

TEST_CASE("a metric is one object by name and labels, shown in both views") {
  Counter& counter = metrics::counter("vexfs_test_things_total", "Things", "kind=\"a\"");
  CHECK(&counter == &metrics::counter("vexfs_test_things_total", "Things", "kind=\"a\""));
  CHECK(&counter != &metrics::counter("vexfs_test_things_total", "Things", "kind=\"b\""));
  counter.add(3);
  metrics::histogram("vexfs_test_took_seconds", "Time").record(1000);
  const std::string text = metrics::prometheus();
  CHECK(text.find("# TYPE vexfs_test_things_total counter\n") != std::string::npos);
  CHECK(text.find("vexfs_test_things_total{kind=\"a\"} 3\n") != std::string::npos);
  CHECK(text.find("vexfs_test_took_seconds_count 1\n") != std::string::npos);
  CHECK(text.find("vexfs_test_took_seconds{quantile=\"0.99\"} ") != std::string::npos);
  CHECK(metrics::for_people().find("vexfs_test_things_total") != std::string::npos);
}

TEST_SUITE_END();
