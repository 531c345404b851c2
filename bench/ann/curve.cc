// SPDX-License-Identifier: Apache-2.0
#include "bench/ann/curve.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace vexfs::bench {

namespace {

constexpr double kWidth = 720, kHeight = 420, kLeft = 70, kRight = 170, kTop = 40, kBottom = 45;
constexpr double kRecallMin = 0.9, kRecallMax = 0.9985;
constexpr std::array kColours = {"#c0392b", "#2471a3", "#7d8c93", "#1e8449", "#8e44ad"};

double x_of(double recall) {
  const double shown = std::clamp(recall, kRecallMin, kRecallMax);
  const double part =
      std::log((1 - kRecallMin) / (1 - shown)) / std::log((1 - kRecallMin) / (1 - kRecallMax));
  return kLeft + part * (kWidth - kLeft - kRight);
}

struct Scale {
  double low = 1e18, high = 1;
  double y_of(double value) const {
    return kHeight - kBottom -
           std::log(value / low) / std::log(high / low) * (kHeight - kBottom - kTop);
  }
};

Scale scale_of(const std::vector<Curve>& curves) {
  Scale scale;
  for (const Curve& curve : curves)
    for (const Point& point : curve.points) {
      if (point.recall < kRecallMin) continue;
      scale.low = std::min(scale.low, 0.8 * point.queries_a_second);
      scale.high = std::max(scale.high, 1.2 * point.queries_a_second);
    }
  if (scale.low >= scale.high) scale = {.low = 1, .high = 10};
  return scale;
}

std::string grid_of(const Scale& scale) {
  std::string svg;
  for (double recall : {0.9, 0.95, 0.98, 0.99, 0.995, 0.998})
    svg += format(
        "<path d='M{0:.1f} {1:.1f}V{2:.1f}' stroke='#ddd'/><text x='{0:.1f}' y='{3:.1f}' "
        "text-anchor='middle'>{4}</text>\n",
        x_of(recall), kTop, kHeight - kBottom, kHeight - kBottom + 16, recall);
  for (double decade = 100; decade < 1e7; decade *= 10)
    for (double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * decade;
      if (value < scale.low || value > scale.high) continue;
      svg += format(
          "<path d='M{0:.1f} {1:.1f}H{2:.1f}' stroke='#ddd'/><text x='{3:.1f}' y='{4:.1f}' "
          "text-anchor='end'>{5:.0f}</text>\n",
          kLeft, scale.y_of(value), kWidth - kRight, kLeft - 6, scale.y_of(value) + 4, value);
    }
  return svg;
}

}  // namespace

double Curve::at_recall(double recall) const {
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (points[i].recall < recall) continue;
    if (i == 0) return points[0].queries_a_second;
    const Point &low = points[i - 1], &high = points[i];
    const double part = (recall - low.recall) / (high.recall - low.recall);
    return low.queries_a_second + part * (high.queries_a_second - low.queries_a_second);
  }
  return 0;
}

std::string drawing_of(const std::string& title, const std::vector<Curve>& curves) {
  const Scale scale = scale_of(curves);
  std::string svg = format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' font-family='sans-serif' "
      "font-size='12'>\n<rect width='{0}' height='{1}' fill='white'/>\n"
      "<text x='{2}' y='22' font-size='14'>{3}: queries a second by recall@10</text>\n",
      kWidth, kHeight, kLeft, title);
  svg += grid_of(scale);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const char* colour = kColours[i % kColours.size()];
    std::string path, dots;
    for (const Point& point : curves[i].points) {
      if (point.recall < kRecallMin) continue;
      const double x = x_of(point.recall), y = scale.y_of(point.queries_a_second);
      path += format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x, y);
      dots += format("<circle cx='{:.1f}' cy='{:.1f}' r='2.5' fill='{}'/>", x, y, colour);
    }
    const double y = kTop + 16 + 18 * static_cast<double>(i);
    svg += format(
        "<path d='{0}' fill='none' stroke='{1}' stroke-width='2'/>{2}\n"
        "<path d='M{3:.1f} {4:.1f}h18' stroke='{1}' stroke-width='2'/>"
        "<text x='{5:.1f}' y='{6:.1f}'>{7}</text>\n",
        path, colour, dots, kWidth - kRight + 10, y, kWidth - kRight + 34, y + 4, curves[i].engine);
  }
  return svg + "</svg>\n";
}

}  // namespace vexfs::bench
