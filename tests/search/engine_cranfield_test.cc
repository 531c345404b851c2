// SPDX-License-Identifier: Apache-2.0
// Goal: what ranking is worth, it is worth through the engine, with the embedder that the volume
// has taught itself. Method: nDCG@10 on Cranfield, where it is there; a volume that grew file by
// file beside one that was trained at once.
#include "tests/search/engine_fixture.h"
#include "tests/support/text_ranker.h"

namespace vexfs {
namespace {

struct CranfieldFixture : EngineFixture {
  double ndcg(const Cranfield& cranfield, Mode mode) {
    double sum = 0;
    for (const Cranfield::Question& question : cranfield.questions) {
      std::vector<std::string> ids;
      for (const Hit& hit : ask(question.text, {.k = 10, .mode = mode}).hits)
        ids.push_back(hit.path.substr(0, hit.path.find('.')));
      sum += ndcg_at_10(ids, question.relevant);
    }
    return sum / static_cast<double>(cranfield.questions.size());
  }
};

// Judgements of documents that are not there yet do not count.
Cranfield first_of(const Cranfield& whole, std::size_t count) {
  Cranfield part;
  part.documents.assign(whole.documents.begin(),
                        whole.documents.begin() + static_cast<std::ptrdiff_t>(count));
  std::unordered_set<std::string> there;
  for (const Cranfield::Document& document : part.documents) there.insert(document.id);
  for (Cranfield::Question question : whole.questions) {
    std::erase_if(question.relevant, [&](const std::string& id) { return !there.contains(id); });
    if (!question.relevant.empty()) part.questions.push_back(std::move(question));
  }
  return part;
}

double trained_at_once(const Cranfield& part) {
  TextRanker ranker;
  for (const Cranfield::Document& document : part.documents)
    ranker.add(document.id, document.content());
  ranker.embed(LocalEmbedder::untrained()->train(ranker.index()).value());
  return mean_ndcg(ranker, part, Mode::hybrid);
}

}  // namespace

TEST_CASE_FIXTURE(CranfieldFixture, "Cranfield grown file by file ranks as if trained at once") {
  const auto cranfield = load_cranfield();
  if (!cranfield) {
    MESSAGE(kCranfieldAbsent);
    return;
  }
  const std::size_t all = cranfield->documents.size();
  std::size_t written = 0;
  for (const std::size_t count : {all / 10, all / 2, all}) {
    for (; written < count; ++written) {
      const Cranfield::Document& document = cranfield->documents[written];
      files.create(kRootIno, document.id + ".txt", document.content());
      if (written % 10 == 0) settle();
    }
    settle();
    const Cranfield part = first_of(*cranfield, count);
    const double hybrid = ndcg(part, Mode::hybrid), at_once = trained_at_once(part);
    MESSAGE("nDCG@10 at " << count << " files: " << hybrid << ", trained at once " << at_once);
    CHECK(hybrid >= at_once - 0.01);
  }
  const double text = ndcg(*cranfield, Mode::text), vector = ndcg(*cranfield, Mode::vector);
  const double hybrid = ndcg(*cranfield, Mode::hybrid);
  MESSAGE("nDCG@10: text " << text << " vector " << vector << " hybrid " << hybrid);
  CHECK(text >= 0.54);
  CHECK(vector >= 0.55);
  CHECK(hybrid >= 0.56);
  const std::string embedder = engine->counts(kRootIno)->embedder;
  CHECK(embedder.starts_with("local version="));
  CHECK_FALSE(embedder.starts_with("local version=0 "));
  remount();
  settle();
  CHECK(engine->counts(kRootIno)->embedder == embedder);
  CHECK(ndcg(*cranfield, Mode::hybrid) == hybrid);
}

}  // namespace vexfs
