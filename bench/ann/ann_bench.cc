// SPDX-License-Identifier: Apache-2.0
// The graph alone, below the mount, beside the peers found at build time, in one run.
//
//   ann_bench [sets=h128_30k,text768,…] [keep=DIR] [svg=DIR] [engines=vexfs,hnswlib,…]
//             [questions=1000] [rounds=3] [m=16] [efc=200] [threads=1] [filters=0] [seed=1]
//             [metric=l2|cosine|ip] [texts=/usr/share] [width=0]
//
// The sets are listed in sets.h. One line a result: the curve, CPU time of one thread, engines
// in turns in each round, the median round counts; queries a second at recall@10 0.95 and 0.99
// between the curve's points; what the build took; bytes a vector in memory (what the process grew
// by, and for ours the float rows, which stand apart) and on disk. threads=2 builds ours once more
// with two. width=16 measures that beam alone (for a profiler). filters=1 also asks ours what only
// one row in 2, 10, 100, 1000 may answer. The answers are checked: recall that is absurd ends the
// program with 1.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/text.h"
#include "bench/ann/curve.h"
#include "bench/ann/engine.h"
#include "bench/ann/sets.h"
#include "hnsw/graph.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr std::uint32_t kNearest = 10;
constexpr std::uint32_t kWidths[] = {10, 12, 16, 20, 24, 32, 40, 56, 80, 112, 160, 240, 400, 700};
constexpr std::uint32_t kFilteredWidth = 64;
constexpr double kRecallEnough = 0.997;  // wider beams tell nothing more

constexpr auto everything = [](Slot) { return true; };

class Arguments {
 public:
  Arguments(int count, char** texts) {
    for (int i = 1; i < count; ++i) {
      const char* equals = std::strchr(texts[i], '=');
      if (equals == nullptr) continue;
      values_[std::string(texts[i], static_cast<std::size_t>(equals - texts[i]))] = equals + 1;
    }
  }
  std::string text(const char* name, const char* fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? fallback : found->second;
  }
  std::uint32_t number(const char* name, std::uint32_t fallback) const {
    const auto found = values_.find(name);
    return found == values_.end() ? fallback
                                  : static_cast<std::uint32_t>(std::stoul(found->second));
  }

 private:
  std::map<std::string, std::string> values_;
};

double cpu_seconds(clockid_t clock) {
  timespec ts;
  clock_gettime(clock, &ts);
  return static_cast<double>(ts.tv_sec) + 1e-9 * static_cast<double>(ts.tv_nsec);
}

template <class T>
T median(std::vector<T> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Point sweep(AnnEngine& engine, const DataSet& data, std::uint32_t ef) {
  Point point;
  std::vector<double> took_us;
  Slot answer[kNearest];
  const double begin = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
  for (std::size_t q = 0; q < data.truth.size(); ++q) {
    const double start = cpu_seconds(CLOCK_MONOTONIC);
    const std::size_t count = engine.search(data.question(q), ef, answer, everything);
    took_us.push_back(1e6 * (cpu_seconds(CLOCK_MONOTONIC) - start));
    point.recall += recall_of(data.truth[q], {answer, count});
  }
  const auto questions = static_cast<double>(data.truth.size());
  point.queries_a_second = questions / (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin);
  point.recall /= questions;
  std::ranges::sort(took_us);
  point.p50_us = took_us[took_us.size() / 2];
  point.p99_us = took_us[took_us.size() * 99 / 100];
  return point;
}

// Anonymous memory that the process holds.
double resident_bytes() {
  malloc_trim(0);
  unsigned long pages = 0, resident = 0, shared = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  VEXFS_ASSERT(file != nullptr &&
               std::fscanf(file, "%lu %lu %lu", &pages, &resident, &shared) == 3);
  std::fclose(file);
  return static_cast<double>(resident - shared) * static_cast<double>(getpagesize());
}

void build(AnnEngine& engine, const DataSet& data, BuildOptions options) {
  const double before = resident_bytes();
  const double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = cpu_seconds(CLOCK_MONOTONIC);
  engine.build(data, options);
  const double took = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  const double took_wall = cpu_seconds(CLOCK_MONOTONIC) - wall;
  const double rows = data.rows.size();
  const bool is_ours = engine.name() == "vexfs";
  const double apart = is_ours ? 4.0 * data.rows.dimension() : 0;
  std::printf(
      "bench=ann_build engine=%s data=%s metric=%s rows=%u dim=%u threads=%u cpu_seconds=%.3f "
      "wall_seconds=%.3f rows_per_cpu_second=%.0f memory_bytes_a_row=%.0f disk_bytes_a_row=%.0f\n",
      engine.name().c_str(), data.name.c_str(), name_of(data.metric).data(), data.rows.size(),
      data.rows.dimension(), options.threads, took, took_wall, rows / took,
      (resident_bytes() - before) / rows + apart, static_cast<double>(engine.disk_bytes()) / rows);
  std::fflush(stdout);
}

// The curve of each engine; engines take turns, so a slow moment of the machine meets all.
std::vector<Curve> measure(std::vector<std::unique_ptr<AnnEngine>>& engines, const DataSet& data,
                           std::uint32_t rounds, std::uint32_t only_width) {
  std::vector<Curve> curves;
  for (auto& engine : engines) curves.push_back({.engine = engine->name(), .points = {}});
  for (std::uint32_t ef : kWidths) {
    if (only_width != 0 && ef != only_width) continue;
    std::vector<std::vector<double>> speeds(engines.size()), p50(engines.size()),
        p99(engines.size());
    std::vector<double> recalls(engines.size());
    for (std::uint32_t round = 0; round < rounds; ++round)
      for (std::size_t e = 0; e < engines.size(); ++e) {
        if (!curves[e].points.empty() && curves[e].points.back().recall >= kRecallEnough) continue;
        const Point point = sweep(*engines[e], data, ef);
        speeds[e].push_back(point.queries_a_second);
        p50[e].push_back(point.p50_us);
        p99[e].push_back(point.p99_us);
        recalls[e] = point.recall;
      }
    for (std::size_t e = 0; e < engines.size(); ++e) {
      if (speeds[e].empty()) continue;
      curves[e].points.push_back({.recall = recalls[e],
                                  .queries_a_second = median(speeds[e]),
                                  .p50_us = median(p50[e]),
                                  .p99_us = median(p99[e])});
      const Point& point = curves[e].points.back();
      std::printf(
          "bench=ann_search engine=%s data=%s metric=%s rows=%u dim=%u k=%u ef=%u "
          "recall=%.4f queries_per_cpu_second=%.0f p50_us=%.1f p99_us=%.1f\n",
          curves[e].engine.c_str(), data.name.c_str(), name_of(data.metric).data(),
          data.rows.size(), data.rows.dimension(), kNearest, ef, point.recall,
          point.queries_a_second, point.p50_us, point.p99_us);
      std::fflush(stdout);
    }
  }
  return curves;
}

// Recall and speed when one row in `one_in` passes; the truth is the exact scan of those.
void measure_filter(AnnEngine& engine, const DataSet& data, std::uint32_t one_in) {
  const auto passes = [&](Slot slot) { return slot * 0x9e3779b1u < 0xffffffffu / one_in; };
  double recall = 0, seconds = 0;
  std::vector<double> took_us;
  const std::size_t questions = std::min<std::size_t>(data.truth.size(), 200);
  // Before the clock runs: a scan leaves the caches cold.
  std::vector<std::vector<Slot>> truth(questions);
  for (std::size_t q = 0; q < questions; ++q)
    for (const Neighbour& n :
         exact_search(data.rows, data.metric, data.question(q), kNearest, passes))
      truth[q].push_back(n.slot);
  for (std::size_t q = 0; q < questions; ++q) {
    Slot answer[kNearest];
    const double begin = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    const std::size_t count = engine.search(data.question(q), kFilteredWidth, answer, passes);
    const double took = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
    seconds += took;
    took_us.push_back(1e6 * took);
    recall += recall_of(truth[q], {answer, count});
  }
  std::ranges::sort(took_us);
  std::printf(
      "bench=ann_filter engine=%s data=%s metric=%s rows=%u dim=%u k=%u ef=%u "
      "one_in=%u recall=%.4f queries_per_cpu_second=%.0f p50_us=%.1f p99_us=%.1f\n",
      engine.name().c_str(), data.name.c_str(), name_of(data.metric).data(), data.rows.size(),
      data.rows.dimension(), kNearest, kFilteredWidth, one_in,
      recall / static_cast<double>(questions), static_cast<double>(questions) / seconds,
      took_us[took_us.size() / 2], took_us[took_us.size() * 99 / 100]);
  std::fflush(stdout);
}

std::vector<std::unique_ptr<AnnEngine>> make_engines(const std::string& wanted) {
  std::vector<std::unique_ptr<AnnEngine>> engines;
  engines.push_back(make_graph_engine());
#if defined(VEXFS_HAVE_HNSWLIB)
  engines.push_back(make_hnswlib_engine());
#endif
#if defined(VEXFS_HAVE_FAISS)
  engines.push_back(make_faiss_flat_engine());
  engines.push_back(make_faiss_sq8_engine());
#endif
  std::erase_if(engines, [&](const auto& engine) {
    const std::string list = format(",{},", wanted), one = format(",{},", engine->name());
    return !wanted.empty() && !list.contains(one);
  });
  return engines;
}

void report(const std::vector<Curve>& curves, const DataSet& data, const std::string& svg_folder) {
  for (const Curve& curve : curves)
    std::printf(
        "bench=ann_summary engine=%s data=%s metric=%s rows=%u dim=%u "
        "queries_per_cpu_second_at_95=%.0f queries_per_cpu_second_at_99=%.0f "
        "times_peer_at_95=%.2f times_peer_at_99=%.2f best_recall=%.4f\n",
        curve.engine.c_str(), data.name.c_str(), name_of(data.metric).data(), data.rows.size(),
        data.rows.dimension(), curve.at_recall(0.95), curve.at_recall(0.99),
        curves[0].at_recall(0.95) / curve.at_recall(0.95),
        curves[0].at_recall(0.99) / curve.at_recall(0.99), curve.points.back().recall);
  std::fflush(stdout);
  if (svg_folder.empty()) return;
  const std::string path = svg_folder + "/ann_" + data.name + ".svg";
  std::FILE* const file = std::fopen(path.c_str(), "w");
  VEXFS_ASSERT(file != nullptr);
  const std::string drawing = drawing_of(data.name, curves);
  std::fwrite(drawing.data(), 1, drawing.size(), file);
  VEXFS_ASSERT(std::fclose(file) == 0);
}

bool bench_set(const std::string& name, const Arguments& arguments) {
  const std::unique_ptr<DataSet> data = make_set(name, kNearest,
                                                 {.keep = arguments.text("keep", ""),
                                                  .texts = arguments.text("texts", "/usr/share"),
                                                  .metric = arguments.text("metric", ""),
                                                  .questions = arguments.number("questions", 1000),
                                                  .seed = arguments.number("seed", 1)});
  if (data == nullptr) {
    std::fprintf(stderr, "ann_bench: no set %s\n", name.c_str());
    return false;
  }
  auto engines = make_engines(arguments.text("engines", ""));
  if (engines.empty()) return true;  // engines=none: the set was made, and kept
  BuildOptions options{.m = arguments.number("m", 16),
                       .ef_construction = arguments.number("efc", 200)};
  if (arguments.number("threads", 1) > 1) {
    options.threads = arguments.number("threads", 1);
    build(*make_graph_engine(), *data, options);
    options.threads = 1;
  }
  for (auto& engine : engines) build(*engine, *data, options);
  const auto curves =
      measure(engines, *data, arguments.number("rounds", 3), arguments.number("width", 0));
  report(curves, *data, arguments.text("svg", ""));
  if (arguments.number("filters", 0) != 0)
    for (std::uint32_t one_in : {2, 10, 100, 1000}) measure_filter(*engines[0], *data, one_in);
  const bool good = curves[0].points.back().recall >= 0.95;
  if (!good)
    std::fprintf(stderr, "ann_bench: recall %.4f is absurd\n", curves[0].points.back().recall);
  return good;
}

}  // namespace

int main(int count, char** texts) {
  const Arguments arguments(count, texts);
  std::string rest = arguments.text("sets", "h128_30k");
  bool good = true;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    good = bench_set(rest.substr(0, comma), arguments) && good;
    rest.erase(0, comma + 1);
  }
  return good ? 0 : 1;
}
