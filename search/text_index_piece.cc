// SPDX-License-Identifier: Apache-2.0
// Pieces of a text index: consecutive slots as bytes, twin of doc/FORMAT.md, "Postings".
//
//   PieceHeader
//   terms      u64 id each, ascending; then a byte each: TermKind
//   letters    of each stem, in that order: varint size, bytes
//   documents  of each slot: varint number of terms + 1, or 0 for an absent slot; then
//              varint length, varints (step in the terms above, count) each,
//              varint number of bigrams, u32 each, ascending
#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_map>

#include "base/endian.h"
#include "search/text_index_state.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kMagic = 0x50545856;  // "VXTP"
static_assert(std::endian::native == std::endian::little, "ids are stored as they are in memory");

struct PieceHeader {  //  offset
  le32 magic;         //   0
  le32 version;       //   4  kTermsVersion: other terms are made again from content
  le32 first;         //   8  slot
  le32 slots;         //  12
  le32 terms;         //  16
  le32 reserved;      //  20  zero; checked on read
};
static_assert(sizeof(PieceHeader) == 24 && alignof(PieceHeader) == 1);

void append_varint(std::string& to, std::uint32_t value) {
  std::byte coded[kVarintBytesMax];
  to.append(reinterpret_cast<const char*>(coded),
            static_cast<std::size_t>(put_varint(coded, value) - coded));
}

template <class T>
void append_value(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

struct ReadDocument {
  Slot slot = 0;
  std::uint32_t length = 0;
  std::vector<NumberedTerm> terms;  // numbers of the piece
  std::vector<std::uint32_t> bigrams;
};

struct ReadTerm {
  TermId id = 0;
  TermKind kind = TermKind::stem;
  std::string_view text = {};
};

// A cursor over bytes from a disk. Once anything did not check, everything after it is zero.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}
  bool sound() const { return sound_; }
  bool at_end() const { return sound_ && rest_.empty(); }

  std::uint32_t varint() {
    const auto value = checked_varint(rest_);
    sound_ = sound_ && value.has_value();
    return sound_ ? *value : 0;
  }
  template <class T>
  T value() {
    T read{};
    const Bytes from = bytes(sizeof read);
    if (sound_) std::memcpy(&read, from.data(), sizeof read);
    return read;
  }
  Bytes bytes(std::size_t count) {
    sound_ = sound_ && count <= rest_.size();
    if (!sound_) return {};
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  // A count of things that take at least one byte each: bounded by what is there.
  std::uint32_t count() {
    const std::uint32_t value = varint();
    sound_ = sound_ && value <= rest_.size();
    return sound_ ? value : 0;
  }
  void check(bool holds) { sound_ = sound_ && holds; }

 private:
  Bytes rest_;
  bool sound_ = true;
};

std::vector<ReadTerm> read_terms(Reader& reader, std::uint32_t count) {
  const Bytes ids = reader.bytes(std::size_t{count} * sizeof(TermId));
  const Bytes kinds = reader.bytes(count);
  if (!reader.sound()) return {};
  std::vector<ReadTerm> terms(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::memcpy(&terms[i].id, ids.data() + sizeof(TermId) * i, sizeof(TermId));
    reader.check(i == 0 || terms[i].id > terms[i - 1].id);
    reader.check(std::to_integer<unsigned>(kinds[i]) <= 1);
    terms[i].kind = static_cast<TermKind>(kinds[i]);
    if (terms[i].kind != TermKind::stem) continue;
    terms[i].text = as_text(reader.bytes(reader.count()));
    reader.check(terms[i].id == term_id(TermKind::stem, terms[i].text));
  }
  return terms;
}

void read_document(Reader& reader, std::uint32_t terms_end, ReadDocument& document) {
  document.length = reader.varint();
  std::uint32_t number = 0;
  for (NumberedTerm& term : document.terms) {
    const std::uint32_t step = reader.varint();
    reader.check(step > 0 || &term == document.terms.data());
    reader.check(step < terms_end - number);
    if (!reader.sound()) return;
    number += step;
    term = {.number = number, .count = reader.varint()};
    reader.check(term.count > 0);
  }
  const std::uint32_t bigrams = reader.count();
  for (std::uint32_t i = 0; i < bigrams && reader.sound(); ++i) {
    document.bigrams.push_back(reader.value<std::uint32_t>());
    reader.check(i == 0 || document.bigrams[i] >= document.bigrams[i - 1]);
  }
}

// The terms of these documents in ascending order of id.
std::vector<TermNumber> used_terms(const Vocabulary& vocabulary,
                                   std::span<const Document> documents) {
  std::vector<TermNumber> used;
  for (const Document& document : documents)
    document.for_each_term([&](TermNumber number, std::uint32_t) { used.push_back(number); });
  std::ranges::sort(used);
  used.erase(std::ranges::unique(used).begin(), used.end());
  std::ranges::sort(used, {}, [&](TermNumber number) { return vocabulary[number].id; });
  return used;
}

void append_terms(std::string& piece, const Vocabulary& vocabulary,
                  std::span<const TermNumber> used) {
  for (const TermNumber number : used) append_value(piece, vocabulary[number].id);
  for (const TermNumber number : used) append_value(piece, vocabulary[number].kind);
  for (const TermNumber number : used) {
    if (vocabulary[number].kind != TermKind::stem) continue;
    append_varint(piece, vocabulary[number].text_size);
    piece += vocabulary.text(vocabulary[number]);
  }
}

void append_document(std::string& piece, const Document& document,
                     const std::unordered_map<TermNumber, std::uint32_t>& numbers) {
  if (!document.present()) return append_varint(piece, 0);
  std::vector<NumberedTerm> terms;
  document.for_each_term([&](TermNumber number, std::uint32_t count) {
    terms.push_back({.number = numbers.at(number), .count = count});
  });
  std::ranges::sort(terms, {}, &NumberedTerm::number);
  append_varint(piece, static_cast<std::uint32_t>(terms.size()) + 1);
  append_varint(piece, document.length);
  std::uint32_t before = 0;
  for (const NumberedTerm& term : terms) {
    append_varint(piece, term.number - before);
    append_varint(piece, term.count);
    before = term.number;
  }
  append_varint(piece, document.bigrams);
  for (std::uint32_t i = 0; i < document.bigrams; ++i) append_value(piece, document.bigram(i));
}

}  // namespace

std::string TextIndex::save(Slot from, Slot to) const {
  ReadLock lock(state_->mutex);
  const auto slots = static_cast<Slot>(state_->documents.size());
  const Slot begin = std::min(from, slots), end = std::clamp(to, begin, slots);
  const auto documents = std::span<const Document>(state_->documents).subspan(begin, end - begin);
  const std::vector<TermNumber> used = used_terms(state_->vocabulary, documents);
  std::string piece(as_text(bytes_of(PieceHeader{.magic = kMagic,
                                                 .version = kTermsVersion,
                                                 .first = from,
                                                 .slots = to - from,
                                                 .terms = static_cast<std::uint32_t>(used.size()),
                                                 .reserved = 0})));
  append_terms(piece, state_->vocabulary, used);
  std::unordered_map<TermNumber, std::uint32_t> numbers;  // of the piece
  for (const TermNumber number : used)
    numbers.emplace(number, static_cast<std::uint32_t>(numbers.size()));
  for (const Document& document : documents) append_document(piece, document, numbers);
  for (std::size_t i = documents.size(); i < to - from; ++i) append_varint(piece, 0);
  return piece;
}

Result<> TextIndex::load(Bytes piece) {
  Reader reader(piece);
  const auto header = reader.value<PieceHeader>();
  reader.check(header.magic == kMagic && header.version == kTermsVersion && header.reserved == 0);
  reader.check(header.slots <= piece.size());  // a byte each at least
  const std::vector<ReadTerm> terms =
      read_terms(reader, reader.sound() ? std::uint32_t{header.terms} : 0u);
  std::vector<ReadDocument> documents;
  for (std::uint32_t i = 0; i < header.slots && reader.sound(); ++i) {
    const std::uint32_t mark = reader.count();
    if (mark == 0) continue;
    ReadDocument document{.slot = header.first + i, .terms = {}, .bigrams = {}};
    document.terms.resize(mark - 1);
    read_document(reader, header.terms, document);
    documents.push_back(std::move(document));
  }
  if (!reader.at_end()) return fail(EUCLEAN, "text index: a piece does not check");

  WriteLock lock(state_->mutex);
  const std::size_t slots = state_->documents.size();
  if (header.first > slots) return fail(EUCLEAN, "text index: a piece leaves a gap");
  for (const ReadDocument& document : documents)
    if (document.slot < slots && state_->documents[document.slot].present())
      return fail(EUCLEAN, "text index: a piece repeats a slot");
  state_->documents.resize(std::max<std::size_t>(slots, std::size_t{header.first} + header.slots));
  std::vector<TermNumber> numbers;
  for (const ReadTerm& term : terms)
    numbers.push_back(state_->vocabulary.number_of(term.id, term.kind, term.text));
  for (ReadDocument& document : documents) {
    for (NumberedTerm& term : document.terms) term.number = numbers[term.number];
    std::ranges::sort(document.terms, {}, &NumberedTerm::number);
    state_->put(document.slot, document.length, document.terms, document.bigrams);
  }
  return {};
}

}  // namespace vexfs
