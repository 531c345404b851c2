// SPDX-License-Identifier: Apache-2.0
#include "search/ranking.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace vexfs {

namespace {

constexpr float kTextShare = 0.6F, kVectorShare = 0.4F;
constexpr double kNoiseQuantile = 0.999;
constexpr std::size_t kQuestionWords = 8;

// SplitMix64 (Steele et al., 2014): the library's generators want 2.5 KiB of stack.
class SplitMix {
 public:
  using result_type = std::uint64_t;
  explicit SplitMix(std::uint64_t seed) : state_(seed) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

// The slots of both lists, ascending, each once.
std::vector<Slot> all_slots(std::span<const ScoredSlot> by_text,
                            std::span<const ScoredSlot> by_vector) {
  std::vector<Slot> slots;
  for (const ScoredSlot& one : by_text) slots.push_back(one.slot);
  for (const ScoredSlot& one : by_vector) slots.push_back(one.slot);
  std::ranges::sort(slots);
  slots.erase(std::ranges::unique(slots).begin(), slots.end());
  return slots;
}

// The scores of `slots`: those of the list, and computed ones for the rest.
std::vector<float> completed(std::span<const Slot> slots, std::span<const ScoredSlot> list,
                             BatchScores score_of) {
  std::unordered_map<Slot, float> known;
  for (const ScoredSlot& one : list) known.emplace(one.slot, one.score);
  std::vector<Slot> missing;
  for (const Slot slot : slots)
    if (!known.contains(slot)) missing.push_back(slot);
  std::vector<float> computed(missing.size());
  if (!missing.empty()) score_of(missing, computed);
  for (std::size_t i = 0; i < missing.size(); ++i) known.emplace(missing[i], computed[i]);
  std::vector<float> scores;
  for (const Slot slot : slots) scores.push_back(known.at(slot));
  return scores;
}

float share_of(float score, float max) {
  return max > 0 ? score / max : 0;
}

}  // namespace

std::vector<Candidate> fuse(std::span<const ScoredSlot> by_text,
                            std::span<const ScoredSlot> by_vector, BatchScores bm25_of,
                            BatchScores cosine_of) {
  const std::vector<Slot> slots = all_slots(by_text, by_vector);
  if (slots.empty()) return {};
  const std::vector<float> bm25 = completed(slots, by_text, bm25_of);
  const std::vector<float> cosine = completed(slots, by_vector, cosine_of);
  const float bm25_max = std::ranges::max(bm25), cosine_max = std::ranges::max(cosine);
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < slots.size(); ++i)
    candidates.push_back({.slot = slots[i],
                          .bm25 = bm25[i],
                          .cosine = cosine[i],
                          .score = kTextShare * share_of(bm25[i], bm25_max) +
                                   kVectorShare * share_of(cosine[i], cosine_max)});
  std::ranges::sort(candidates, [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.slot < b.slot;
  });
  return candidates;
}

std::vector<std::string> random_questions(const TextIndex& text, std::uint32_t count,
                                          std::uint64_t seed) {
  SplitMix random(seed);
  const Slot end = text.slots_end();
  std::vector<std::string> questions;
  // Erased slots are drawn in vain, and most may be: a draw costs little then.
  for (std::uint32_t draw = 0; end > 0 && draw < 256 * count && questions.size() < count; ++draw) {
    std::vector<std::string> words = text.stem_texts(static_cast<Slot>(random() % end));
    std::ranges::shuffle(words, random);
    words.resize(std::min(words.size(), kQuestionWords));
    std::string question;
    for (const std::string& word : words) question += (question.empty() ? "" : " ") + word;
    if (!question.empty()) questions.push_back(std::move(question));
  }
  return questions;
}

float noise_level(std::vector<float> cosines) {
  if (cosines.empty()) return 1;
  const auto at =
      static_cast<std::ptrdiff_t>(static_cast<double>(cosines.size() - 1) * kNoiseQuantile);
  std::ranges::nth_element(cosines, cosines.begin() + at);
  return cosines[static_cast<std::size_t>(at)];
}

}  // namespace vexfs
