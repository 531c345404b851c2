// SPDX-License-Identifier: Apache-2.0
// Insert and search of vectors, below the mount, beside the peers found at build time.
//
//   vector_bench [rows=30000] [dim=128] [latent=48] [metric=l2|cosine|ip] [questions=1000]
//                [m=16] [efc=200] [rounds=3] [threads=1] [seed=1] [peers=1] [file=rows.npy]
//
// One line a result. CPU time of one thread, engines in turns in each round, the median round
// counts. `file` takes the rows from a row file; its last `questions` rows are the questions.
// With filters=1 also searches of ours that only one row in 2, 10, 100, 1000 may answer.
// The answers are checked: recall that is absurd ends the program with 1.
#include <fcntl.h>
#include <sys/stat.h>
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
#include "bench/ann_data.h"
#include "bench/ann_engine.h"
#include "hnsw/graph.h"
#include "vector/distance.h"
#include "vector/row_file.h"

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

std::vector<float> read_row_file(const std::string& path, std::uint32_t& dimension) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts{};
  const auto kind = row_file_kind(path);
  VEXFS_ASSERT(fd >= 0 && kind && fstat(fd, &facts) == 0);
  const auto read = [&](std::uint64_t offset, MutableBytes into) -> Result<std::size_t> {
    const ssize_t got = pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    return got < 0 ? std::size_t{0} : static_cast<std::size_t>(got);
  };
  std::vector<float> values;
  VEXFS_ASSERT(visit_rows(*kind, static_cast<std::uint64_t>(facts.st_size), read,
                          [&](std::uint64_t, std::span<const float> row) {
                            dimension = static_cast<std::uint32_t>(row.size());
                            values.insert(values.end(), row.begin(), row.end());
                            return true;
                          }));
  close(fd);
  return values;
}

std::unique_ptr<DataSet> make_data(const Arguments& arguments) {
  const std::string file = arguments.text("file", "");
  std::uint32_t dimension = arguments.number("dim", 128);
  const std::uint32_t question_count = arguments.number("questions", 1000);
  std::uint32_t row_count = arguments.number("rows", 30000);
  std::vector<float> values;
  if (file.empty()) {
    Generator generator({.dimension = dimension,
                         .latent = arguments.number("latent", 48),
                         .seed = arguments.number("seed", 1)});
    values.resize(std::size_t{row_count + question_count} * dimension);
    for (std::size_t i = 0; i < values.size(); i += dimension)
      generator.draw(std::span(values).subspan(i, dimension));
  } else {
    values = read_row_file(file, dimension);
    row_count = static_cast<std::uint32_t>(values.size() / dimension) - question_count;
  }
  auto data = std::make_unique<DataSet>(dimension);
  data->name = file.empty() ? "mlp" + std::to_string(arguments.number("latent", 48))
                            : file.substr(file.rfind('/') + 1);
  data->metric = *metric_of(arguments.text("metric", "l2"));
  for (std::size_t i = 0; i < values.size(); i += dimension) {
    const std::span row = std::span(values).subspan(i, dimension);
    if (data->metric == Metric::cosine) normalise(row);
    if (i / dimension < row_count)
      VEXFS_ASSERT(data->rows.append(row));
    else
      data->questions.insert(data->questions.end(), row.begin(), row.end());
  }
  answer_exactly(*data, kNearest);
  return data;
}

struct Point {
  double recall = 0, queries_a_second = 0, p50_us = 0, p99_us = 0;
};

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

// Queries a second where the curve crosses this recall; 0: it never does.
double at_recall(const std::vector<Point>& curve, double recall) {
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].recall < recall) continue;
    if (i == 0) return curve[0].queries_a_second;
    const Point &low = curve[i - 1], &high = curve[i];
    const double part = (recall - low.recall) / (high.recall - low.recall);
    return low.queries_a_second + part * (high.queries_a_second - low.queries_a_second);
  }
  return 0;
}

void build(AnnEngine& engine, const DataSet& data, BuildOptions options) {
  const double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), wall = cpu_seconds(CLOCK_MONOTONIC);
  engine.build(data, options);
  std::printf(
      "bench=vector_build engine=%s data=%s metric=%s rows=%u dim=%u threads=%u "
      "cpu_seconds=%.3f wall_seconds=%.3f rows_per_cpu_second=%.0f\n",
      engine.name().c_str(), data.name.c_str(), name_of(data.metric).data(), data.rows.size(),
      data.rows.dimension(), options.threads, cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
      cpu_seconds(CLOCK_MONOTONIC) - wall,
      data.rows.size() / (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu));
  std::fflush(stdout);
}

// The curve of each engine; engines take turns, so a slow moment of the machine meets all.
std::vector<std::vector<Point>> measure(std::vector<std::unique_ptr<AnnEngine>>& engines,
                                        const DataSet& data, std::uint32_t rounds) {
  std::vector<std::vector<Point>> curves(engines.size());
  for (std::uint32_t ef : kWidths) {
    std::vector<std::vector<double>> speeds(engines.size()), p50(engines.size()),
        p99(engines.size());
    std::vector<double> recalls(engines.size());
    for (std::uint32_t round = 0; round < rounds; ++round)
      for (std::size_t e = 0; e < engines.size(); ++e) {
        if (!curves[e].empty() && curves[e].back().recall >= kRecallEnough) continue;
        const Point point = sweep(*engines[e], data, ef);
        speeds[e].push_back(point.queries_a_second);
        p50[e].push_back(point.p50_us);
        p99[e].push_back(point.p99_us);
        recalls[e] = point.recall;
      }
    for (std::size_t e = 0; e < engines.size(); ++e) {
      if (speeds[e].empty()) continue;
      curves[e].push_back({.recall = recalls[e],
                           .queries_a_second = median(speeds[e]),
                           .p50_us = median(p50[e]),
                           .p99_us = median(p99[e])});
      const Point& point = curves[e].back();
      std::printf(
          "bench=vector_search engine=%s data=%s metric=%s rows=%u dim=%u k=%u ef=%u "
          "recall=%.4f queries_per_cpu_second=%.0f p50_us=%.1f p99_us=%.1f\n",
          engines[e]->name().c_str(), data.name.c_str(), name_of(data.metric).data(),
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
      "bench=vector_filter engine=%s data=%s metric=%s rows=%u dim=%u k=%u ef=%u "
      "one_in=%u recall=%.4f queries_per_cpu_second=%.0f p50_us=%.1f p99_us=%.1f\n",
      engine.name().c_str(), data.name.c_str(), name_of(data.metric).data(), data.rows.size(),
      data.rows.dimension(), kNearest, kFilteredWidth, one_in,
      recall / static_cast<double>(questions), static_cast<double>(questions) / seconds,
      took_us[took_us.size() / 2], took_us[took_us.size() * 99 / 100]);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** texts) {
  const Arguments arguments(count, texts);
  const std::unique_ptr<DataSet> owned = make_data(arguments);
  const DataSet& data = *owned;
  std::vector<std::unique_ptr<AnnEngine>> engines;
  engines.push_back(make_graph_engine());
#if defined(VEXFS_HAVE_HNSWLIB)
  if (arguments.number("peers", 1) != 0) engines.push_back(make_hnswlib_engine());
#endif
  for (auto& engine : engines)
    build(*engine, data,
          {.m = arguments.number("m", 16),
           .ef_construction = arguments.number("efc", 200),
           .threads = arguments.number("threads", 1)});
  const auto curves = measure(engines, data, arguments.number("rounds", 3));
  for (std::size_t e = 0; e < engines.size(); ++e)
    std::printf(
        "bench=vector_summary engine=%s data=%s metric=%s rows=%u dim=%u "
        "queries_per_cpu_second_at_95=%.0f queries_per_cpu_second_at_99=%.0f "
        "best_recall=%.4f\n",
        engines[e]->name().c_str(), data.name.c_str(), name_of(data.metric).data(),
        data.rows.size(), data.rows.dimension(), at_recall(curves[e], 0.95),
        at_recall(curves[e], 0.99), curves[e].back().recall);
  if (arguments.number("filters", 0) != 0)
    for (std::uint32_t one_in : {2, 10, 100, 1000}) measure_filter(*engines[0], data, one_in);
  if (curves[0].back().recall < 0.95) {
    std::fprintf(stderr, "vector_bench: recall %.4f is absurd\n", curves[0].back().recall);
    return 1;
  }
  return 0;
}
