// SPDX-License-Identifier: Apache-2.0
// How well, and how fast, words and local vectors rank the Cranfield collection, below the mount.
//
//   text_bench
//
// Prints `cranfield mode=… ndcg10=… query_p50_us=… query_p99_us=…` for each mode, and what indexing
// cost. Says so, and succeeds, where the data is absent.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "tests/support/text_ranker.h"

using namespace vexfs;

namespace {

void print_mode(const char* name, const TextRanker& ranker, const Cranfield& cranfield, Mode mode) {
  std::vector<double> took_us;
  double sum = 0;
  for (const Cranfield::Question& question : cranfield.questions) {
    const std::uint64_t began = monotonic_ns();
    const auto ranked = ranker.rank(question.text, mode, 10);
    took_us.push_back(static_cast<double>(monotonic_ns() - began) / 1000);
    sum += ndcg_at_10(ranked, question.relevant);
  }
  std::ranges::sort(took_us);
  const auto quantile = [&](double q) {
    return took_us[static_cast<std::size_t>(q * static_cast<double>(took_us.size() - 1))];
  };
  std::fputs(
      format("cranfield mode={} ndcg10={:.4f} query_p50_us={:.0f} query_p99_us={:.0f}\n", name,
             sum / static_cast<double>(cranfield.questions.size()), quantile(0.5), quantile(0.99))
          .c_str(),
      stdout);
}

}  // namespace

int main() {
  const auto cranfield = load_cranfield();
  if (!cranfield) {
    std::printf("cranfield %s\n", std::string(kCranfieldAbsent).c_str());
    return 0;
  }
  TextRanker ranker;
  const std::uint64_t began = monotonic_ns();
  for (const Cranfield::Document& document : cranfield->documents)
    ranker.add(document.id, document.content());
  const std::uint64_t indexed = monotonic_ns();
  ranker.embed(LocalEmbedder::untrained());
  const std::uint64_t embedded = monotonic_ns();
  const auto each_us = [&](std::uint64_t ns) {
    return static_cast<double>(ns) / 1000 / static_cast<double>(ranker.chunks());
  };
  std::fputs(format("cranfield chunks={} text_us={:.0f} embed_us={:.0f} text_index_bytes={}\n",
                    ranker.chunks(), each_us(indexed - began), each_us(embedded - indexed),
                    ranker.index().memory_bytes())
                 .c_str(),
             stdout);
  print_mode("text", ranker, *cranfield, Mode::text);
  print_mode("vector", ranker, *cranfield, Mode::vector);
  print_mode("hybrid", ranker, *cranfield, Mode::hybrid);

  const std::uint64_t training = monotonic_ns();
  const auto trained = LocalEmbedder::untrained()->train(ranker.index());
  const std::uint64_t trained_at = monotonic_ns();
  if (!trained) return 1;
  ranker.embed(*trained);
  std::fputs(format("cranfield train_ms={} embed_trained_us={:.0f} embedder_bytes={}\n",
                    (trained_at - training) / 1000000, each_us(monotonic_ns() - trained_at),
                    (*trained)->save().size())
                 .c_str(),
             stdout);
  print_mode("vector_trained", ranker, *cranfield, Mode::vector);
  print_mode("hybrid_trained", ranker, *cranfield, Mode::hybrid);
  return 0;
}
