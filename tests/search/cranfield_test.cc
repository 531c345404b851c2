// SPDX-License-Identifier: Apache-2.0
// Goal: ranking is worth what it was worth. Method: nDCG@10 on Cranfield, where it is there; the
// control, questions asked of shuffled contents, finds nothing.
#include <doctest/doctest.h>

#include <random>

#include "tests/support/text_ranker.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/cranfield");

TEST_CASE("Cranfield is ranked as well as it was") {
  const auto cranfield = load_cranfield();
  if (!cranfield) {
    MESSAGE(kCranfieldAbsent);
    return;
  }
  TextRanker ranker;
  for (const Cranfield::Document& document : cranfield->documents)
    ranker.add(document.id, document.content());
  ranker.embed(LocalEmbedder::untrained());
  const double text = mean_ndcg(ranker, *cranfield, Mode::text);
  double vector = mean_ndcg(ranker, *cranfield, Mode::vector);
  double hybrid = mean_ndcg(ranker, *cranfield, Mode::hybrid);
  MESSAGE("nDCG@10, untrained: text " << text << " vector " << vector << " hybrid " << hybrid);
  CHECK(text >= 0.53);
  CHECK(vector >= 0.47);
  CHECK(hybrid >= 0.52);

  ranker.embed(LocalEmbedder::untrained()->train(ranker.index()).value());
  vector = mean_ndcg(ranker, *cranfield, Mode::vector);
  hybrid = mean_ndcg(ranker, *cranfield, Mode::hybrid);
  MESSAGE("nDCG@10, trained: vector " << vector << " hybrid " << hybrid);
  CHECK(vector >= 0.545);
  CHECK(hybrid >= 0.555);
}

TEST_CASE("questions find nothing where contents are shuffled") {
  const auto cranfield = load_cranfield();
  if (!cranfield) {
    MESSAGE(kCranfieldAbsent);
    return;
  }
  std::vector<std::string> contents;
  for (const Cranfield::Document& document : cranfield->documents)
    contents.push_back(document.content());
  std::mt19937 random(1);
  std::ranges::shuffle(contents, random);
  TextRanker ranker;
  for (std::size_t i = 0; i < contents.size(); ++i)
    ranker.add(cranfield->documents[i].id, contents[i]);
  ranker.embed(LocalEmbedder::untrained());
  CHECK(mean_ndcg(ranker, *cranfield, Mode::hybrid) < 0.05);
}

TEST_SUITE_END();
