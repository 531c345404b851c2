// SPDX-License-Identifier: Apache-2.0
// Searching the text index: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance
// Framework", 2009), one term after the other into an array of scores.
#include <algorithm>

#include "base/assert.h"
#include "base/metrics.h"
#include "search/text_index_state.h"

namespace vexfs {

namespace {

constexpr float kSaturation = 1.5F;    // k1
constexpr float kLengthShare = 0.75F;  // b
// A surface says a little more than its stem: "keying" itself before "keys".
constexpr float kSurfaceWeight = 0.1F;
constexpr float kStemShare = 0.85F, kBigramShare = 0.15F;

constexpr std::uint64_t kTouched = std::uint64_t{1} << 63;
constexpr std::size_t kMarkedStemsMax = 63;  // bigrams of stems behind these do not count

// A thread's arrays by slot, all zero between two questions.
struct Scratch {
  std::vector<float> scores;
  std::vector<std::uint64_t> marks;  // bit i: holds the question's i-th stem
  std::vector<Slot> touched;

  void make_room(std::size_t slots) {
    if (scores.size() >= slots) return;
    scores.resize(slots);
    marks.resize(slots);
  }
  void clear() {
    for (const Slot slot : touched) {
      scores[slot] = 0;
      marks[slot] = 0;
    }
    touched.clear();
  }
};

Scratch& scratch() {
  thread_local Scratch own;
  return own;
}

// One question against the index. Leaves scores in the scratch.
class Scorer {
 public:
  Scorer(const TextIndexState& state, const TermBag& question) REQUIRES_SHARED(state.mutex)
      : state_(state), question_(question) {
    scratch_.make_room(state.documents.size());
    const auto documents = static_cast<float>(std::max(1u, state.present));
    length_mean_ = std::max(1.0F, static_cast<float>(state.length) / documents);
  }

  // Under the lock that the constructor asks for, which clang cannot tell to be the same.
  void run() VEXFS_TSA(no_thread_safety_analysis) {
    for (const Term& term : question_.terms)
      if (term.kind != TermKind::bigram) add_term(term);
    for (const Term& term : question_.terms)
      if (term.kind == TermKind::bigram) add_bigram(term);
  }

 private:
  float gain(float count, const Document& document) const {
    const float length = static_cast<float>(document.length) / length_mean_;
    const float norm = kSaturation * (1 - kLengthShare + kLengthShare * length);
    return count * (kSaturation + 1) / (count + norm);
  }

  void add_term(const Term& term) REQUIRES_SHARED(state_.mutex) {
    const Vocabulary::Entry* entry = state_.vocabulary.find(term.id);
    if (!entry || entry->documents == 0) return;
    std::uint64_t mark = kTouched;
    float weight = kStemShare * static_cast<float>(term.count) *
                   inverse_frequency(state_.present, entry->documents);
    if (term.kind == TermKind::surface)
      weight *= kSurfaceWeight;
    else if (stems_.size() < kMarkedStemsMax)
      mark |= mark_of(term.id);
    const Document* const documents = state_.documents.data();
    entry->postings.for_each([&](Posting posting) {
      const Document& document = documents[posting.slot];
      if (!document.present()) return;
      if (scratch_.marks[posting.slot] == 0) scratch_.touched.push_back(posting.slot);
      scratch_.marks[posting.slot] |= mark;
      scratch_.scores[posting.slot] += weight * gain(static_cast<float>(posting.count), document);
    });
  }

  std::uint64_t mark_of(TermId stem) {
    stems_.push_back(stem);
    return std::uint64_t{1} << (stems_.size() - 1);
  }

  // The marks of a chunk that may hold the bigram; 0 when none can.
  std::uint64_t marks_of(std::string_view bigram) const {
    const std::size_t space = bigram.find(' ');
    std::uint64_t marks = 0;
    for (const std::string_view stem : {bigram.substr(0, space), bigram.substr(space + 1)}) {
      const auto found = std::ranges::find(stems_, term_id(TermKind::stem, stem));
      if (found == stems_.end()) return 0;
      marks |= std::uint64_t{1} << (found - stems_.begin());
    }
    return marks;
  }

  void add_bigram(const Term& term) REQUIRES_SHARED(state_.mutex) {
    const std::uint64_t marks = marks_of(question_.text(term));
    if (marks == 0) return;
    holding_.clear();
    for (const Slot slot : scratch_.touched) {
      if ((scratch_.marks[slot] & marks) != marks) continue;
      const std::uint32_t count = state_.documents[slot].count_of(half_of(term.id));
      if (count > 0) holding_.push_back({.slot = slot, .count = count});
    }
    const float weight =
        kBigramShare * static_cast<float>(term.count) *
        inverse_frequency(state_.present, static_cast<std::uint32_t>(holding_.size()));
    for (const Posting& posting : holding_)
      scratch_.scores[posting.slot] +=
          weight * gain(static_cast<float>(posting.count), state_.documents[posting.slot]);
  }

  const TextIndexState& state_;
  const TermBag& question_;
  Scratch& scratch_ = scratch();
  float length_mean_ = 1;
  std::vector<TermId> stems_;     // by mark
  std::vector<Posting> holding_;  // of one bigram
};

bool worse(const ScoredSlot& a, const ScoredSlot& b) {
  return a.score < b.score || (a.score == b.score && a.slot > b.slot);
}

}  // namespace

std::vector<ScoredSlot> TextIndex::search(const TermBag& question, std::uint32_t k,
                                          Accept accept) const {
  static Histogram& took =
      metrics::histogram("vexfs_text_search_seconds", "One question against the text index");
  Timed timed(took);
  std::vector<ScoredSlot> found;
  {
    Scratch& own = scratch();
    ReadLock lock(state_->mutex);
    Scorer(*state_, question).run();
    found.reserve(own.touched.size());
    for (const Slot slot : own.touched) found.push_back({.slot = slot, .score = own.scores[slot]});
    own.clear();
  }
  // Few are wanted of many, so a heap is cheaper than an order of all.
  std::ranges::make_heap(found, worse);
  std::vector<ScoredSlot> best;
  while (!found.empty() && best.size() < k) {
    std::ranges::pop_heap(found, worse);
    if (accept(found.back().slot)) best.push_back(found.back());
    found.pop_back();
  }
  return best;
}

void TextIndex::score(const TermBag& question, std::span<const Slot> slots,
                      std::span<float> scores) const {
  VEXFS_ASSERT(slots.size() == scores.size());
  Scratch& own = scratch();
  ReadLock lock(state_->mutex);
  Scorer(*state_, question).run();
  for (std::size_t i = 0; i < slots.size(); ++i)
    scores[i] = slots[i] < own.scores.size() ? own.scores[slots[i]] : 0;
  own.clear();
}

}  // namespace vexfs
