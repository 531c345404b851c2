// SPDX-License-Identifier: Apache-2.0
#include "bench/ann/sets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/assert.h"
#include "base/text.h"
#include "search/local_embedder.h"
#include "vector/distance.h"
#include "vector/row_file.h"

namespace vexfs::bench {

namespace {

struct Law {
  std::string_view name;
  std::uint32_t rows, dimension, latent;
  Metric metric;
};
constexpr Law kLaws[] = {{"h128_30k", 30000, 128, 48, Metric::l2},
                         {"s128_100k", 100000, 128, 24, Metric::l2},
                         {"s768_20k", 20000, 768, 24, Metric::cosine},
                         {"s768_100k", 100000, 768, 24, Metric::cosine},
                         {"s128_1m", 1000000, 128, 24, Metric::l2}};
constexpr std::uint32_t kTextRowsMax = 30000;

struct Values {
  std::uint32_t dimension = 0;
  std::vector<float> rows = {};  // the questions behind them
};

std::optional<Values> read_rows(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  struct stat facts{};
  const auto kind = row_file_kind(path);
  VEXFS_ASSERT(kind && fstat(fd, &facts) == 0);
  const auto read = [&](std::uint64_t offset, MutableBytes into) -> Result<std::size_t> {
    const ssize_t got = pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    return got < 0 ? std::size_t{0} : static_cast<std::size_t>(got);
  };
  Values values;
  VEXFS_ASSERT(visit_rows(*kind, static_cast<std::uint64_t>(facts.st_size), read,
                          [&](std::uint64_t, std::span<const float> row) {
                            values.dimension = static_cast<std::uint32_t>(row.size());
                            values.rows.insert(values.rows.end(), row.begin(), row.end());
                            return true;
                          }));
  close(fd);
  return values;
}

void write_rows(const std::string& path, const Values& values) {
  std::string header = format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
                              values.rows.size() / values.dimension, values.dimension);
  header.append(118 - header.size() - 1, ' ');  // with the ten bytes before it, two lines
  header.push_back('\n');
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  VEXFS_ASSERT(file != nullptr);
  std::fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file);
  std::fwrite(header.data(), 1, header.size(), file);
  std::fwrite(values.rows.data(), sizeof(float), values.rows.size(), file);
  VEXFS_ASSERT(std::fclose(file) == 0);
}

Values generate(const Law& law, const SetOptions& options) {
  Generator generator({.dimension = law.dimension, .latent = law.latent, .seed = options.seed});
  Values values{.dimension = law.dimension};
  values.rows.resize(std::size_t{law.rows + options.questions} * law.dimension);
  for (std::size_t i = 0; i < values.rows.size(); i += law.dimension)
    generator.draw(std::span(values.rows).subspan(i, law.dimension));
  return values;
}

// Generated, or as they were kept; nothing: the name says nothing.
std::optional<Values> values_of(const std::string& name, const SetOptions& options) {
  if (row_file_kind(name)) return read_rows(name);
  const auto* const law = std::ranges::find(kLaws, name, &Law::name);
  if (law == std::end(kLaws) && name != "text768") return std::nullopt;
  const std::string path = format("{}/{}-{}.npy", options.keep, name, options.seed);
  if (!options.keep.empty())
    if (auto kept = read_rows(path)) return kept;
  Values values;
  if (law != std::end(kLaws))
    values = generate(*law, options);
  else
    values = {.dimension = kLocalDimension,
              .rows = text_rows(options.texts, kTextRowsMax + options.questions)};
  if (!options.keep.empty()) write_rows(path, values);
  return values;
}

}  // namespace

std::unique_ptr<DataSet> make_set(const std::string& name, std::uint32_t k,
                                  const SetOptions& options) {
  auto values = values_of(name, options);
  if (!values || values->dimension == 0) return nullptr;
  const std::uint32_t dimension = values->dimension;
  const std::size_t rows = values->rows.size() / dimension;
  if (rows <= options.questions) return nullptr;
  auto data = std::make_unique<DataSet>(dimension);
  data->name = name.substr(name.rfind('/') + 1);
  const auto* const law = std::ranges::find(kLaws, name, &Law::name);
  data->metric = law != std::end(kLaws) ? law->metric
                 : name == "text768"    ? Metric::cosine
                                        : Metric::l2;
  if (!options.metric.empty()) data->metric = *metric_of(options.metric);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span row = std::span(values->rows).subspan(i * dimension, dimension);
    if (data->metric == Metric::cosine) normalise(row);
    if (i + options.questions < rows)
      VEXFS_ASSERT(data->rows.append(row));
    else
      data->questions.insert(data->questions.end(), row.begin(), row.end());
  }
  answer_exactly(*data, k);
  return data;
}

}  // namespace vexfs::bench
