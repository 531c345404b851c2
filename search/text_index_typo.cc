// SPDX-License-Identifier: Apache-2.0
// Typing errors of questions: an unknown stem becomes the most frequent stem that is equal to it
// after one deletion on either side. That covers a letter too many, too few, changed or swapped.
#include <algorithm>

#include "search/text_index_state.h"

namespace vexfs {

namespace {

constexpr std::size_t kLettersMin = 4;      // shorter stems have too many neighbours
constexpr std::size_t kCandidatesMax = 8;   // neighbours tried, the most frequent first
constexpr std::size_t kSlotsAskedMax = 64;  // of one neighbour

bool equal_after_deletion(std::string_view shorter, std::string_view longer) {
  // Both have a byte to lose: the first difference is one of them, the other is further on.
  std::size_t at = 0;
  while (at < shorter.size() && at < longer.size() && shorter[at] == longer[at]) ++at;
  const auto rest_matches = [](std::string_view kept, std::string_view loses) {
    // `kept` lost its byte already; `loses` may lose one more.
    if (kept == loses) return true;
    if (kept.size() + 1 != loses.size()) return false;
    std::size_t same = 0;
    while (same < kept.size() && kept[same] == loses[same]) ++same;
    return kept.substr(same) == loses.substr(same + 1);
  };
  const std::string_view a = shorter.substr(at), b = longer.substr(at);
  if (a.empty() || b.empty()) return a.size() + b.size() <= 1;
  return a.substr(1) == b || a == b.substr(1) || rest_matches(a.substr(1), b) ||
         rest_matches(b.substr(1), a);
}

bool may_be_typed(std::string_view stem) {
  return stem.size() >= kLettersMin &&
         std::ranges::none_of(stem, [](char c) { return c >= '0' && c <= '9'; });
}

struct Neighbour {
  std::string text;
  std::uint32_t documents = 0;
  std::vector<Slot> slots = {};
};

std::vector<Neighbour> neighbours_of(const TextIndexState& state, std::string_view stem)
    REQUIRES_SHARED(state.mutex) {
  std::vector<const Vocabulary::Entry*> found;
  for (const Vocabulary::Entry& entry : state.vocabulary.entries()) {
    if (entry.kind != TermKind::stem || entry.documents == 0) continue;
    if (entry.text_size + 1u < stem.size() || entry.text_size > stem.size() + 1) continue;
    if (equal_after_deletion(stem, state.vocabulary.text(entry))) found.push_back(&entry);
  }
  const std::size_t kept = std::min(found.size(), kCandidatesMax);
  const auto more_frequent = [](const Vocabulary::Entry* a, const Vocabulary::Entry* b) {
    return a->documents != b->documents ? a->documents > b->documents : a->id < b->id;
  };
  std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(kept),
                            more_frequent);
  std::vector<Neighbour> neighbours;
  for (const Vocabulary::Entry* entry : std::span(found).first(kept)) {
    Neighbour neighbour{.text = std::string(state.vocabulary.text(*entry)),
                        .documents = entry->documents};
    const Document* const documents = state.documents.data();
    entry->postings.for_each([&](Posting posting) {
      if (neighbour.slots.size() < kSlotsAskedMax && documents[posting.slot].present())
        neighbour.slots.push_back(posting.slot);
    });
    neighbours.push_back(std::move(neighbour));
  }
  return neighbours;
}

struct Correction {
  std::string typed, meant;
};

std::string_view corrected_stem(std::string_view stem, std::span<const Correction> corrections) {
  for (const Correction& correction : corrections)
    if (correction.typed == stem) return correction.meant;
  return stem;
}

TermBag replaced(const TermBag& question, std::span<const Correction> corrections) {
  TermBag bag{.terms = {}, .letters = {}, .length = question.length};
  for (Term term : question.terms) {
    std::string text;
    std::string_view rest = question.text(term);
    while (term.kind != TermKind::surface) {
      const std::size_t space = rest.find(' ');
      text += corrected_stem(rest.substr(0, space), corrections);
      if (space == std::string_view::npos) break;
      text += ' ';
      rest.remove_prefix(space + 1);
    }
    if (term.kind == TermKind::surface) text = rest;
    term.id = term_id(term.kind, text);
    term.at = static_cast<std::uint32_t>(bag.letters.size());
    term.size = static_cast<std::uint16_t>(text.size());
    bag.letters += text;
    bag.terms.push_back(term);
  }
  // A correction may give a term that the question has already.
  std::ranges::sort(bag.terms, {}, &Term::id);
  std::vector<Term> once;
  for (const Term& term : bag.terms) {
    if (!once.empty() && once.back().id == term.id)
      once.back().count += term.count;
    else
      once.push_back(term);
  }
  bag.terms = std::move(once);
  return bag;
}

}  // namespace

TermBag TextIndex::corrected(const TermBag& question, Accept accept) const {
  std::vector<Correction> corrections;
  for (const Term& term : question.terms) {
    const std::string_view stem = question.text(term);
    if (term.kind != TermKind::stem || !may_be_typed(stem)) continue;
    std::vector<Neighbour> neighbours;
    {
      ReadLock lock(state_->mutex);
      const Vocabulary::Entry* known = state_->vocabulary.find(term.id);
      if (known && known->documents > 0) continue;
      neighbours = neighbours_of(*state_, stem);
    }
    for (Neighbour& neighbour : neighbours) {
      if (std::ranges::none_of(neighbour.slots, accept)) continue;
      corrections.push_back({.typed = std::string(stem), .meant = std::move(neighbour.text)});
      break;
    }
  }
  return corrections.empty() ? question : replaced(question, corrections);
}

}  // namespace vexfs
