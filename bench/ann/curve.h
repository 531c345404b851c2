// SPDX-License-Identifier: Apache-2.0
// Curve: what an engine's beam widths give, recall against queries a second; read between its
// points, and drawn.
#pragma once
#include <string>
#include <vector>

namespace vexfs::bench {

struct Point {
  double recall = 0, queries_a_second = 0, p50_us = 0, p99_us = 0;
};

struct Curve {
  std::string engine;
  std::vector<Point> points;  // recall rises

  // Queries a second where the curve crosses this recall; 0: it never does.
  double at_recall(double recall) const;
};

// An SVG of the part with a recall of 0.9 and more; both axes logarithmic, recall in 1 - recall.
std::string drawing_of(const std::string& title, const std::vector<Curve>& curves);

}  // namespace vexfs::bench
