// SPDX-License-Identifier: Apache-2.0
// Goal: vectors that work from the first file, and learn. Method: small worlds of words where what
// belongs together is known; saved embedders cut and changed.
#include "search/local_embedder.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "search/basis_training.h"
#include "vector/distance.h"

using namespace vexfs;

TEST_SUITE_BEGIN("search/local_embedder");

namespace {
std::vector<float> question_of(const Embedder& embedder, const TextIndex& index,
                               std::string_view text) {
  std::vector<float> row(embedder.dimension());
  const TermBag terms = terms_of(text);
  REQUIRE(embedder.embed_question({.text = text, .terms = terms, .statistics = index}, row));
  return row;
}
std::vector<float> document_of(const Embedder& embedder, std::string_view text) {
  std::vector<float> row(embedder.dimension());
  const TermBag terms = terms_of(text);
  const DocumentText document{.text = text, .terms = terms};
  REQUIRE(embedder.embed_documents(std::span(&document, 1), row));
  return row;
}
float cosine(const std::vector<float>& a, const std::vector<float>& b) {
  return 1 - distance(Metric::cosine, a, b);
}
// A word of one of three topics, which share none.
std::string word_of(std::size_t topic, std::size_t number) {
  std::uint64_t bits = term_id(TermKind::stem, std::to_string(topic * 1000 + number));
  std::string word;
  for (int i = 0; i < 8; ++i, bits /= 20) word += "bcdfghjklmnpqrstvwxz"[bits % 20];
  return word;
}
// Each text draws words of one topic.
void add_topics(TextIndex& index, Slot from, Slot to) {
  std::mt19937 random(from + 1);
  for (Slot slot = from; slot < to; ++slot) {
    std::string text;
    for (int i = 0; i < 20; ++i) text += word_of(slot % 3, random() % 80) + ' ';
    index.add(slot, terms_of(text));
  }
}
}  // namespace

TEST_CASE("untrained vectors: unit length, near what shares words or parts of words") {
  const auto embedder = LocalEmbedder::untrained();
  CHECK(embedder->version() == 0);
  TextIndex index;
  const std::string near = "How the rotating keys are turned in a lock";
  const std::string far = "A plate in supersonic flow at high temperature";
  index.add(0, terms_of(near));
  index.add(1, terms_of(far));
  const auto question = question_of(*embedder, index, "keys rotation");
  const auto near_row = document_of(*embedder, near), far_row = document_of(*embedder, far);
  CHECK(cosine(near_row, near_row) == doctest::Approx(1).epsilon(1e-5));
  CHECK(cosine(question, near_row) > cosine(question, far_row) + 0.1F);
}

TEST_CASE("a text that says nothing has no vector") {
  TextIndex index;
  add_topics(index, 0, 90);
  const auto untrained = LocalEmbedder::untrained();
  for (const auto& embedder : {untrained, untrained->train(index).value()})
    for (const char* nothing : {"", "the of and", "\xff\xfe", "   "}) {
      for (const float value : document_of(*embedder, nothing)) CHECK(value == 0);
      for (const float value : question_of(*embedder, index, nothing)) CHECK(value == 0);
    }
}

TEST_CASE("a trained embedder knows what belongs together without sharing a word") {
  TextIndex index;
  add_topics(index, 0, 12);
  const auto untrained = LocalEmbedder::untrained();
  const auto trained = untrained->train(index).value();
  CHECK(trained->version() == 1);
  CHECK(trained->identity() != untrained->identity());
  // A question of three words, texts that hold the topic's other words; means of cosines.
  double same = 0, other = 0, blind = 0;
  constexpr std::size_t kQuestions = 30;
  for (std::size_t i = 0; i < kQuestions; ++i) {
    const std::size_t topic = i % 3;
    std::string asked, near, far;
    for (std::size_t word = 0; word < 80; ++word) {
      if (word % 20 == i % 20)
        asked += word_of(topic, word) + ' ';
      else if (word % 4 == 1) {
        near += word_of(topic, word) + ' ';
        far += word_of((topic + 1) % 3, word) + ' ';
      }
    }
    const auto question = question_of(*trained, index, asked);
    same += cosine(question, document_of(*trained, near)) / kQuestions;
    other += cosine(question, document_of(*trained, far)) / kQuestions;
    blind +=
        cosine(question_of(*untrained, index, asked), document_of(*untrained, near)) / kQuestions;
  }
  CHECK(same > other + 0.1);
  CHECK(same > blind + 0.1);
}

TEST_CASE("training the same texts gives the same embedder, others another") {
  TextIndex one, two, more;
  add_topics(one, 0, 90);
  add_topics(two, 0, 90);
  add_topics(more, 0, 120);
  const auto from = LocalEmbedder::untrained();
  CHECK(from->train(one).value()->identity() == from->train(two).value()->identity());
  CHECK(from->train(one).value()->identity() != from->train(more).value()->identity());
  const auto trained = from->train(one).value();
  CHECK(trained->train(one).value()->version() == 2);
}

TEST_CASE("it wants training when there is enough, when it has grown, when much is gone") {
  TextIndex index;
  const auto untrained = LocalEmbedder::untrained();
  CHECK_FALSE(untrained->wants_training(index));
  CHECK(untrained->train(index).error().code == EAGAIN);
  add_topics(index, 0, 100);
  CHECK(untrained->wants_training(index));
  const auto trained = untrained->train(index).value();
  CHECK_FALSE(trained->wants_training(index));
  add_topics(index, 100, 120);
  CHECK_FALSE(trained->wants_training(index));
  add_topics(index, 120, 130);
  CHECK(trained->wants_training(index));
  for (Slot slot = 0; slot < 70; ++slot) index.erase(slot);
  CHECK(trained->wants_training(index));
}

TEST_CASE("a saved embedder makes the same vectors; damaged ones are refused") {
  TextIndex index;
  add_topics(index, 0, 90);
  const auto untrained = LocalEmbedder::untrained();
  for (const auto& embedder : {untrained, untrained->train(index).value()}) {
    const std::string saved = embedder->save();
    const auto loaded = LocalEmbedder::load(as_bytes(saved));
    REQUIRE(loaded);
    CHECK((*loaded)->identity() == embedder->identity());
    CHECK((*loaded)->version() == embedder->version());
    CHECK(document_of(**loaded, "cat and horse") == document_of(*embedder, "cat and horse"));
    CHECK(question_of(**loaded, index, "bread") == question_of(*embedder, index, "bread"));
    for (std::size_t size = 0; size < saved.size(); ++size)
      CHECK_FALSE(LocalEmbedder::load(as_bytes(std::string_view(saved).substr(0, size))));
    CHECK_FALSE(LocalEmbedder::load(as_bytes(saved + "x")));
    for (std::size_t at = 0; at < std::min<std::size_t>(saved.size(), 64); ++at) {
      std::string changed = saved;
      changed[at] = static_cast<char>(changed[at] ^ 0x40);
      if (const auto odd = LocalEmbedder::load(as_bytes(changed)))
        CHECK((*odd)->identity() != embedder->identity());
    }
  }
}

TEST_CASE("a saved basis of no terms is refused: none was trained") {
  TextIndex index;
  add_topics(index, 0, 90);
  constexpr std::size_t kHeaders = 8 + 24;
  std::string saved = LocalEmbedder::untrained()->train(index).value()->save().substr(0, kHeaders);
  saved.replace(8 + 16, 4, 4, '\0');  // the number of terms
  CHECK_FALSE(LocalEmbedder::load(as_bytes(saved)));
}

TEST_CASE("dimensions follow the number of chunks") {
  CHECK(basis_dimension(10) == 10);
  CHECK(basis_dimension(100) == 75);
  CHECK(basis_dimension(300) == 150);
  CHECK(basis_dimension(1200) == 200);
  CHECK(basis_dimension(1000000) == kBasisDimensionMax);
}

TEST_SUITE_END();
