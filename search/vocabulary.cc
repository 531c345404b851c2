// SPDX-License-Identifier: Apache-2.0
#include "search/vocabulary.h"

namespace vexfs {

// Ids are hashes already, so their lowest bits choose the place; then linear probing.
std::size_t Vocabulary::place_of(TermId id) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t place = id & mask;
  while (table_[place] != kFree && entries_[table_[place]].id != id) place = (place + 1) & mask;
  return place;
}

void Vocabulary::widen() {
  table_.assign(2 * table_.size(), kFree);
  for (TermNumber number = 0; number < entries_.size(); ++number)
    table_[place_of(entries_[number].id)] = number;
}

TermNumber Vocabulary::number_of(TermId id, TermKind kind, std::string_view text) {
  const std::size_t place = place_of(id);
  if (table_[place] != kFree) return table_[place];
  const auto number = static_cast<TermNumber>(entries_.size());
  Entry entry{.id = id, .kind = kind, .postings = {}};
  if (kind == TermKind::stem) {
    entry.text_at = letters_.size();
    entry.text_size = static_cast<std::uint16_t>(text.size());
    letters_ += text;
  }
  entries_.push_back(std::move(entry));
  table_[place] = number;
  if (3 * entries_.size() > 2 * table_.size()) widen();
  return number;
}

const Vocabulary::Entry* Vocabulary::find(TermId id) const {
  const TermNumber number = table_[place_of(id)];
  return number == kFree ? nullptr : &entries_[number];
}

std::size_t Vocabulary::memory_bytes() const {
  std::size_t bytes = letters_.capacity() + table_.capacity() * sizeof(TermNumber) +
                      entries_.capacity() * sizeof(Entry);
  for (const Entry& entry : entries_) bytes += entry.postings.heap_bytes();
  return bytes;
}

}  // namespace vexfs
