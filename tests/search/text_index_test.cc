// SPDX-License-Identifier: Apache-2.0
// Goal: the index answers as a naive BM25 over the same bags would, through adds in any order,
// erases, saves and loads. Method: random texts of few words from a printed seed; pieces cut and
// flipped at every byte.
#include "search/text_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <thread>

using namespace vexfs;

TEST_SUITE_BEGIN("search/text_index");

namespace {
constexpr auto kAny = [](Slot) { return true; };

// The definition, term by term, in double.
class NaiveIndex {
 public:
  void add(Slot slot, TermBag bag) { bags_[slot] = std::move(bag); }
  void erase(Slot slot) { bags_.erase(slot); }
  const std::map<Slot, TermBag>& bags() const { return bags_; }

  double score(const TermBag& question, Slot slot) const {
    double sum = 0;
    for (const Term& asked : question.terms) {
      const double share = asked.kind == TermKind::bigram    ? 0.15
                           : asked.kind == TermKind::surface ? 0.85 * 0.1
                                                             : 0.85;
      const double tf = count(bags_.at(slot), asked.id);
      if (tf == 0) continue;
      double holding = 0;
      for (const auto& [other, bag] : bags_) holding += count(bag, asked.id) > 0 ? 1 : 0;
      const double n = static_cast<double>(bags_.size());
      const double idf = std::log(1 + (n - holding + 0.5) / (holding + 0.5));
      const double norm = 1.5 * (0.25 + 0.75 * bags_.at(slot).length / mean_length());
      sum += share * asked.count * idf * tf * 2.5 / (tf + norm);
    }
    return sum;
  }

 private:
  static double count(const TermBag& bag, TermId id) {
    for (const Term& term : bag.terms)
      if (term.id == id) return term.count;
    return 0;
  }
  double mean_length() const {
    double sum = 0;
    for (const auto& [slot, bag] : bags_) sum += bag.length;
    return std::max(1.0, sum / static_cast<double>(bags_.size()));
  }
  std::map<Slot, TermBag> bags_;
};

std::string random_text(std::mt19937& random, std::size_t words_max) {
  static const char* const kWords[] = {
      "wing",   "flow",  "heat",  "rotating", "keys", "lift", "drag", "mach",
      "shock",  "layer", "plate", "rotate",   "jets", "the",  "of",   "\u6771\u4eac\u90fd",
      "getLift"};
  std::string text;
  for (std::size_t i = 0, words = random() % (words_max + 1); i < words; ++i)
    text += std::string(kWords[random() % std::size(kWords)]) + ' ';
  return text;
}

void check_equal(const TextIndex& index, const NaiveIndex& naive, const TermBag& question) {
  CHECK(index.documents() == naive.bags().size());
  const auto found = index.search(question, 10000, kAny);
  std::size_t matches = 0;
  for (const auto& [slot, bag] : naive.bags())
    if (naive.score(question, slot) > 0) ++matches;
  CHECK(found.size() == matches);
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].score == doctest::Approx(naive.score(question, found[i].slot)).epsilon(1e-4));
    if (i > 0) CHECK(found[i - 1].score >= found[i].score);
    slots.push_back(found[i].slot);
  }
  std::vector<float> scores(slots.size());
  index.score(question, slots, scores);
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(scores[i] == found[i].score);
}
}  // namespace

TEST_CASE("it ranks as the definition does, through adds in any order and erases") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TextIndex index;
  NaiveIndex naive;
  std::vector<Slot> order(200);
  for (Slot slot = 0; slot < order.size(); ++slot) order[slot] = slot;
  for (std::size_t i = 0; i + 8 < order.size(); i += 8)
    std::shuffle(order.begin() + static_cast<long>(i), order.begin() + static_cast<long>(i) + 8,
                 random);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const TermBag bag = terms_of(random_text(random, 40));
    index.add(order[i], bag);
    naive.add(order[i], bag);
    if (random() % 4 == 0) {
      const Slot victim = order[random() % (i + 1)];
      index.erase(victim);
      naive.erase(victim);
    }
    if (i % 10 == 9) check_equal(index, naive, terms_of(random_text(random, 8)));
  }
}

TEST_CASE("erasing most of it keeps answers and gives memory back") {
  std::mt19937 random(11);
  TextIndex index;
  NaiveIndex naive;
  for (Slot slot = 0; slot < 4000; ++slot) {
    const TermBag bag = terms_of(random_text(random, 12));
    index.add(slot, bag);
    if (slot % 100 == 0) naive.add(slot, bag);
  }
  const std::size_t before = index.memory_bytes();
  for (Slot slot = 0; slot < 4000; ++slot)
    if (slot % 100 != 0) index.erase(slot);
  index.erase(7);
  index.erase(1000000);
  CHECK(index.memory_bytes() < before / 2);
  check_equal(index, naive, terms_of("rotating wing heat layer flow"));
}

TEST_CASE("what is not accepted is not answered, and k are while there are k") {
  TextIndex index;
  std::mt19937 random(3);
  for (Slot slot = 0; slot < 100; ++slot)
    index.add(slot, terms_of("wing " + random_text(random, 5)));
  std::size_t asked = 0;
  const auto found = index.search(terms_of("wing"), 5, [&](Slot slot) {
    ++asked;
    return slot % 10 == 3;
  });
  CHECK(found.size() == 5);
  for (const ScoredSlot& hit : found) CHECK(hit.slot % 10 == 3);
  CHECK(asked < 100);
  CHECK(index.search(terms_of("nowhere"), 5, kAny).empty());
  CHECK(index.search(terms_of(""), 5, kAny).empty());
}

TEST_CASE("pieces load to the same answers, in any division") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  TextIndex index;
  NaiveIndex naive;
  for (Slot slot = 3; slot < 120; ++slot) {
    if (random() % 7 == 0) continue;
    const TermBag bag = terms_of(random_text(random, 30));
    index.add(slot, bag);
    if (random() % 5 == 0)
      index.erase(slot);
    else
      naive.add(slot, bag);
  }
  TextIndex loaded;
  for (Slot from = 0; from < 140;) {
    const Slot to = from + static_cast<Slot>(random() % 50);
    REQUIRE(loaded.load(as_bytes(index.save(from, to))));
    from = to;
  }
  check_equal(loaded, naive, terms_of("rotating wing heat layer keys"));
  CHECK(loaded.load(as_bytes(index.save(0, 120))).error().code == EUCLEAN);  // twice
  std::vector<TextIndex::Stem> was, is;
  for (Slot slot = 0; slot < 130; ++slot) {
    CHECK(index.stems(slot, was) == loaded.stems(slot, is));
    CHECK(was.size() == is.size());
  }
}

TEST_CASE("a piece cut or changed at any byte never crashes, and cut ones are refused") {
  TextIndex index;
  index.add(0, terms_of("wing heat rotating keys keys"));
  index.add(2, terms_of("plate wing heat"));
  const std::string piece = index.save(0, 3);
  for (std::size_t size = 0; size < piece.size(); ++size) {
    TextIndex loaded;
    CHECK_FALSE(loaded.load(as_bytes(std::string_view(piece).substr(0, size))));
    CHECK(loaded.documents() == 0);
  }
  for (std::size_t at = 0; at < piece.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = piece;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      TextIndex loaded;
      if (loaded.load(as_bytes(changed))) loaded.search(terms_of("wing heat keys"), 10, kAny);
    }
  }
}

TEST_CASE("a typing error finds the word that was meant, where the asker may read it") {
  TextIndex index;
  index.add(0, terms_of("turbulent boundary layer"));
  index.add(1, terms_of("turbulent flow"));
  index.add(2, terms_of("turbulence secret"));
  const auto meant = [&](std::string_view typed, TextIndex::Accept accept) {
    const TermBag bag = index.corrected(terms_of(typed), accept);
    for (const Term& term : bag.terms)
      if (term.kind == TermKind::stem) return std::string(bag.text(term));
    return std::string();
  };
  CHECK(meant("bonudary", kAny) == "boundari");
  CHECK(meant("boundry", kAny) == meant("boundry", kAny));
  CHECK(meant("turbulant", kAny) == "turbul");
  CHECK(meant("secrets", kAny) == "secret");
  CHECK(meant("secrte", kAny) == "secret");
  CHECK(meant("secrte", [](Slot slot) { return slot != 2; }) == "secrt");
  CHECK(meant("zzzzzz", kAny) == "zzzzzz");
  CHECK(meant("flow", kAny) == "flow");
  CHECK(meant("fow", kAny) == "fow");  // too short to guess
  const TermBag bag = index.corrected(terms_of("bonudary layer"), kAny);
  CHECK(
      index.search(bag, 1, kAny).at(0).score ==
      doctest::Approx(index.search(terms_of("boundary layer"), 1, kAny).at(0).score).epsilon(0.2));
}

TEST_CASE("readers run beside the writer") {
  TextIndex index;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::mt19937 random(5);
    for (Slot slot = 0; slot < 3000; ++slot) {
      index.add(slot, terms_of(random_text(random, 12)));
      if (slot % 3 == 0) index.erase(slot / 2);
    }
    done = true;
  });
  const TermBag question = terms_of("rotating wing heat");
  while (!done) {
    const auto found = index.search(question, 10, kAny);
    CHECK(found.size() <= 10);
  }
  writer.join();
}

TEST_SUITE_END();
