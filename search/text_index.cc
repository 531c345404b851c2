// SPDX-License-Identifier: Apache-2.0
#include "search/text_index.h"

#include <algorithm>

#include "base/assert.h"
#include "base/metrics.h"
#include "search/text_index_state.h"

namespace vexfs {

namespace {
constexpr std::uint32_t kErasedMin = 1000;  // fewer are not worth a pass over the postings
}

std::uint32_t Document::count_of(std::uint32_t half) const {
  std::uint32_t low = 0, high = bigrams;
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (bigram(middle) < half)
      low = middle + 1;
    else
      high = middle;
  }
  std::uint32_t count = 0;
  while (low + count < bigrams && bigram(low + count) == half) ++count;
  return count;
}

void TextIndexState::put(Slot slot, std::uint32_t its_length, std::span<const NumberedTerm> terms,
                         std::span<const std::uint32_t> bigrams) {
  if (slot >= documents.size()) documents.resize(std::size_t{slot} + 1);
  Document& document = documents[slot];
  VEXFS_ASSERT(!document.present());
  std::vector<std::byte> coded(2 * kVarintBytesMax * terms.size());
  std::byte* end = coded.data();
  TermNumber before = 0;
  for (const NumberedTerm& term : terms) {
    end = put_varint(put_varint(end, term.number - before), term.count);
    before = term.number;
    Vocabulary::Entry& entry = vocabulary[term.number];
    ++entry.documents;
    entry.postings.add({.slot = slot, .count = term.count});
  }
  const auto terms_bytes = static_cast<std::size_t>(end - coded.data());
  const std::size_t all = terms_bytes + bigrams.size_bytes();
  document.bytes = std::make_unique<std::byte[]>(std::max<std::size_t>(all, 1));
  std::ranges::copy(std::span(coded).first(terms_bytes), document.bytes.get());
  std::ranges::copy(std::as_bytes(bigrams), document.bytes.get() + terms_bytes);
  document.length = its_length;
  document.terms_bytes = static_cast<std::uint32_t>(terms_bytes);
  document.bigrams = static_cast<std::uint32_t>(bigrams.size());
  ++present;
  length += its_length;
  bytes += all;
}

void TextIndexState::take_out(Slot slot) {
  Document& document = documents[slot];
  document.for_each_term([&](TermNumber number, std::uint32_t) VEXFS_TSA(
                             no_thread_safety_analysis) { --vocabulary[number].documents; });
  --present;
  ++erased;
  length -= document.length;
  bytes -= document.terms_bytes + sizeof(std::uint32_t) * document.bigrams;
  document = Document();
}

// Erased slots stay in the postings, where the searches step over them, until they are many.
void TextIndexState::forget_erased() {
  for (TermNumber number = 0; number < vocabulary.entries().size(); ++number) {
    Postings kept;
    Vocabulary::Entry& entry = vocabulary[number];
    entry.postings.for_each([&](Posting posting) VEXFS_TSA(no_thread_safety_analysis) {
      if (documents[posting.slot].present()) kept.add(posting);
    });
    entry.postings = std::move(kept);
  }
  erased = 0;
}

TextIndex::TextIndex() : state_(std::make_unique<TextIndexState>()) {}
TextIndex::~TextIndex() = default;

void TextIndex::add(Slot slot, const TermBag& terms) {
  static Histogram& took = metrics::histogram("vexfs_text_index_add_seconds",
                                              "Adding a chunk's terms to the text index");
  Timed timed(took);
  std::vector<NumberedTerm> numbered;
  std::vector<std::uint32_t> bigrams;
  WriteLock lock(state_->mutex);
  for (const Term& term : terms.terms) {
    if (term.kind == TermKind::bigram) {
      for (std::uint32_t i = 0; i < term.count; ++i) bigrams.push_back(half_of(term.id));
    } else {
      numbered.push_back(
          {.number = state_->vocabulary.number_of(term.id, term.kind, terms.text(term)),
           .count = term.count});
    }
  }
  std::ranges::sort(numbered, {}, &NumberedTerm::number);
  std::ranges::sort(bigrams);
  state_->put(slot, terms.length, numbered, bigrams);
}

void TextIndex::erase(Slot slot) {
  WriteLock lock(state_->mutex);
  if (slot >= state_->documents.size() || !state_->documents[slot].present()) return;
  state_->take_out(slot);
  if (state_->erased > kErasedMin + state_->present / 4) state_->forget_erased();
}

std::uint32_t TextIndex::documents() const {
  ReadLock lock(state_->mutex);
  return state_->present;
}

std::uint32_t TextIndex::document_frequency(TermId id) const {
  ReadLock lock(state_->mutex);
  const Vocabulary::Entry* entry = state_->vocabulary.find(id);
  return entry ? entry->documents : 0;
}

std::size_t TextIndex::memory_bytes() const {
  ReadLock lock(state_->mutex);
  return state_->vocabulary.memory_bytes() + state_->bytes +
         state_->documents.capacity() * sizeof(Document);
}

Slot TextIndex::slots_end() const {
  ReadLock lock(state_->mutex);
  return static_cast<Slot>(state_->documents.size());
}

bool TextIndex::stems(Slot slot, std::vector<Stem>& into) const {
  into.clear();
  ReadLock lock(state_->mutex);
  if (slot >= state_->documents.size() || !state_->documents[slot].present()) return false;
  state_->documents[slot].for_each_term(
      [&](TermNumber number, std::uint32_t count) VEXFS_TSA(no_thread_safety_analysis) {
        const Vocabulary::Entry& entry = state_->vocabulary[number];
        if (entry.kind == TermKind::stem) into.push_back({.id = entry.id, .count = count});
      });
  return true;
}

bool TextIndex::bag(Slot slot, TermBag& into) const {
  into = TermBag();
  ReadLock lock(state_->mutex);
  if (slot >= state_->documents.size() || !state_->documents[slot].present()) return false;
  const Document& document = state_->documents[slot];
  const Vocabulary& vocabulary = state_->vocabulary;
  into.length = document.length;
  document.for_each_term([&](TermNumber number, std::uint32_t count) {
    const Vocabulary::Entry& entry = vocabulary[number];
    const std::string_view letters = vocabulary.text(entry);
    into.terms.push_back({.id = entry.id,
                          .at = static_cast<std::uint32_t>(into.letters.size()),
                          .size = static_cast<std::uint16_t>(letters.size()),
                          .kind = entry.kind,
                          .count = count});
    into.letters += letters;
  });
  std::ranges::sort(into.terms, {}, &Term::id);
  for (std::uint32_t i = 0; i < document.bigrams; ++i) {
    const std::uint32_t half = document.bigram(i);
    if (!into.terms.empty() && into.terms.back().kind == TermKind::bigram &&
        into.terms.back().id == half)
      ++into.terms.back().count;
    else
      into.terms.push_back({.id = half, .kind = TermKind::bigram, .count = 1});
  }
  return true;
}

std::vector<std::string> TextIndex::stem_texts(Slot slot) const {
  std::vector<std::string> texts;
  ReadLock lock(state_->mutex);
  if (slot >= state_->documents.size() || !state_->documents[slot].present()) return texts;
  const Vocabulary& vocabulary = state_->vocabulary;
  state_->documents[slot].for_each_term(
      [&](TermNumber number, std::uint32_t) VEXFS_TSA(no_thread_safety_analysis) {
        if (vocabulary[number].kind == TermKind::stem)
          texts.emplace_back(vocabulary.text(vocabulary[number]));
      });
  return texts;
}

}  // namespace vexfs
