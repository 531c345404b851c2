// SPDX-License-Identifier: Apache-2.0
// Vectors in and out, through a mount and below it: a .fvecs file copied into a collection until
// it is searchable, single user.vexfs.vector attributes, and questions through the query file.
//   questions_bench --dir MOUNT --below /tmp
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "base/json.h"
#include "bench/report.h"
#include "bench/target.h"

using namespace vexfs;
using namespace vexfs::bench;

namespace {

constexpr std::uint32_t kDimension = 128, kRows = 20000, kQuestions = 500, kFiles = 1000, kK = 10;

// Points around random centres: neighbours are near, as in learnt embeddings.
std::vector<float> cloud(std::mt19937& rng, const std::vector<float>& centres, std::uint32_t n) {
  std::normal_distribution<float> noise(0, .35f);
  std::vector<float> points(std::size_t{n} * kDimension);
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::size_t centre = rng() % (centres.size() / kDimension) * kDimension;
    for (std::uint32_t j = 0; j < kDimension; ++j)
      points[std::size_t{i} * kDimension + j] = centres[centre + j] + noise(rng);
  }
  return points;
}

std::vector<std::uint32_t> nearest(const std::vector<float>& base, const float* query) {
  std::vector<float> distance(kRows);
  for (std::uint32_t i = 0; i < kRows; ++i)
    for (std::uint32_t j = 0; j < kDimension; ++j) {
      const float d = base[std::size_t{i} * kDimension + j] - query[j];
      distance[i] += d * d;
    }
  std::vector<std::uint32_t> order(kRows);
  std::iota(order.begin(), order.end(), 0u);
  std::partial_sort(order.begin(), order.begin() + kK, order.end(),
                    [&](std::uint32_t a, std::uint32_t b) { return distance[a] < distance[b]; });
  order.resize(kK);
  return order;
}

std::string fvecs(const std::vector<float>& rows) {
  std::string bytes;
  for (std::size_t at = 0; at < rows.size(); at += kDimension) {
    bytes.append(reinterpret_cast<const char*>(&kDimension), 4);
    bytes.append(reinterpret_cast<const char*>(&rows[at]), kDimension * 4);
  }
  return bytes;
}

std::string question(const float* query) {
  return to_text(Json{{"vector", std::vector<float>(query, query + kDimension)}, {"k", kK}});
}

// How many of the true neighbours the answer names, by its rows.
std::size_t found(const std::string& answer, const std::vector<std::uint32_t>& truth) {
  std::size_t right = 0;
  for (std::size_t start = 0, end; (end = answer.find('\n', start)) != answer.npos;
       start = end + 1) {
    const auto hit = parse_json(std::string_view(answer).substr(start, end - start));
    if (!hit || !hit->contains("locator")) continue;
    const std::string locator = hit->at("locator").is_string()
                                    ? hit->at("locator").get<std::string>()
                                    : to_text(hit->at("locator"));
    for (std::uint32_t row : truth) right += locator == format("row {}", row);
  }
  return right;
}

void run(Target& target) {
  std::mt19937 rng(1);
  std::normal_distribution<float> wide(0, 1);
  std::vector<float> centres(200 * kDimension);
  for (float& x : centres) x = wide(rng);
  const std::vector<float> base = cloud(rng, centres, kRows);
  const std::vector<float> asked = cloud(rng, centres, kQuestions);
  const std::string bytes = fvecs(base);

  target.set_xattr("", "user.vexfs.collection",
                   as_bytes(R"({"dim":128,"metric":"l2","embedder":"none"})"));
  Samples copy("import_fvecs_20000x128");
  copy.time([&] {
    const Target::File file = target.open("base.fvecs");
    for (std::size_t at = 0; at < bytes.size(); at += 1 << 20)
      target.write(file, at, as_bytes(std::string_view(bytes).substr(at, 1 << 20)));
    target.close(file);
    target.wait_until_indexed();
  });
  copy.report(target.where(), format("rows={}", kRows));

  Samples ask("ask_vector_k10");
  std::size_t right = 0;
  for (std::uint32_t i = 0; i < kQuestions; ++i) {
    const float* query = &asked[std::size_t{i} * kDimension];
    const std::string line = question(query);
    std::string answer;
    ask.time([&] { answer = target.ask(line); });
    right += found(answer, nearest(base, query));
  }
  const double recall = static_cast<double>(right) / (kQuestions * kK);
  ask.report(target.where(), format("recall_at_10={:.4f}", recall));
  if (recall < .9) {
    std::fprintf(stderr, "questions_bench: recall %.4f is no answer\n", recall);
    std::exit(2);
  }
  target.unlink("base.fvecs");

  Samples set("set_vector_128");
  for (std::uint32_t i = 0; i < kFiles; ++i) {
    target.create(format("f{}", i));
    const auto row = std::as_bytes(std::span(base).subspan(i * kDimension, kDimension));
    set.time([&] { target.set_xattr(format("f{}", i), "user.vexfs.vector", row); });
  }
  set.report(target.where());
  Samples similar("similar_k10");
  for (std::uint32_t i = 0; i < kFiles; ++i)
    similar.time([&] { target.xattr(format("f{}", i), "user.vexfs.similar"); });
  similar.report(target.where());
  for (std::uint32_t i = 0; i < kFiles; ++i) target.unlink(format("f{}", i));
}

}  // namespace

int main(int argc, char** argv) {
  for (const auto& target : targets_of(argc, argv)) run(*target);
}
