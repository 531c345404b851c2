// SPDX-License-Identifier: Apache-2.0
#include "storage/page.h"

#include <algorithm>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/key.h"

namespace vexfs {

namespace {

// memcmp order, shorter first.
int compare(Bytes a, Bytes b) {
  const std::size_t n = std::min(a.size(), b.size());
  const int order = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (order != 0) return order;
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

std::size_t common_bytes(Bytes a, Bytes b) {
  const std::size_t n = std::min(a.size(), b.size());
  std::size_t same = 0;
  while (same < n && a[same] == b[same]) ++same;
  return same;
}

// What a slot keeps of a key.
std::array<std::uint8_t, 4> head_of(Bytes key, std::size_t prefix) {
  std::array<std::uint8_t, 4> head{};
  for (std::size_t i = 0; i < head.size() && prefix + i < key.size(); ++i)
    head[i] = std::to_integer<std::uint8_t>(key[prefix + i]);
  return head;
}

std::uint32_t number_of(std::array<std::uint8_t, 4> head) {
  return std::uint32_t{head[0]} << 24 | std::uint32_t{head[1]} << 16 | std::uint32_t{head[2]} << 8 |
         head[3];
}

}  // namespace

std::uint64_t page_check(Bytes page) {
  const std::uint64_t check = hash64(page);
  return check == 0 ? 1 : check;
}

Result<> PageView::validate(Bytes page) {
  const PageView view(page.data());
  const PageHeader header = view.header();
  if (header.magic != kPageMagic || header.version != kPageVersion)
    return fail(EUCLEAN, "page: not a page");
  const std::size_t slots_end = slot_at(header.count);
  if (header.level >= kLevelsMax || header.tree >= kTreeCount || header.count == 0)
    return fail(EUCLEAN, "page: header");
  if (slots_end > header.heap_begin || header.heap_begin > kPageBytes)
    return fail(EUCLEAN, "page: heap");
  std::size_t cells = 0;
  for (unsigned i = 0; i < header.count; ++i) {
    const std::size_t at = view.cell(i);
    if (at < header.heap_begin || at > kPageBytes - sizeof(CellHeader))
      return fail(EUCLEAN, "page: slot");
    const CellHeader cell = view.load<CellHeader>(at);
    const std::size_t bytes = sizeof cell + cell.key_bytes + cell.value_bytes;
    if (at + bytes > kPageBytes || cell.key_bytes > kKeyBytesMax)
      return fail(EUCLEAN, "page: cell");
    if (header.level > 0 ? cell.value_bytes != sizeof(PagePointer)
                         : cell.key_bytes == 0 || cell.value_bytes > kValueBytesMax)
      return fail(EUCLEAN, "page: cell of another level");
    if (i > 0 && compare(view.key(i - 1), view.key(i)) >= 0)
      return fail(EUCLEAN, "page: keys out of order");
    if (i >= view.first() &&
        (common_bytes(view.key(i), view.key(view.first())) < header.prefix_bytes ||
         view.load<Slot>(slot_at(i)).head != head_of(view.key(i), header.prefix_bytes)))
      return fail(EUCLEAN, "page: slot of another key");
    cells += bytes;
  }
  if (cells + header.heap_dead != kPageBytes - header.heap_begin)
    return fail(EUCLEAN, "page: heap does not add up");
  return {};
}

PagePointer PageView::child(unsigned i) const {
  PagePointer pointer;
  std::memcpy(&pointer, value(i).data(), sizeof pointer);
  return pointer;
}

unsigned PageView::lower_bound(Bytes key, bool& equal) const {
  equal = false;
  unsigned low = first(), high = count();
  if (low >= high) return high;
  const std::size_t prefix = load<le16>(offsetof(PageHeader, prefix_bytes));
  if (prefix > 0) {
    const int order =
        compare(key.first(std::min(key.size(), prefix)), this->key(low).first(prefix));
    if (order != 0) return order < 0 ? low : high;
  }
  const std::uint32_t wanted = number_of(head_of(key, prefix));
  while (low < high) {
    const unsigned middle = (low + high) / 2;
    const std::uint32_t head = number_of(load<Slot>(slot_at(middle)).head);
    const int order = head != wanted ? (head < wanted ? -1 : 1) : compare(this->key(middle), key);
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
      if (order == 0) equal = true;
    }
  }
  return low;
}

unsigned PageView::child_of(Bytes key) const {
  bool equal = false;
  const unsigned i = lower_bound(key, equal);
  return equal ? i : i - 1;
}

std::size_t PageView::used() const {
  const PageHeader header = this->header();
  return kPageBytes - header.heap_begin - header.heap_dead + header.count * sizeof(Slot);
}

void PageEditor::init(Tree tree, unsigned level, std::uint64_t address, std::uint64_t birth) {
  store(0, PageHeader{.magic = kPageMagic,
                      .version = kPageVersion,
                      .tree = static_cast<std::uint8_t>(tree),
                      .level = static_cast<std::uint8_t>(level),
                      .address = address,
                      .birth = birth,
                      .count = std::uint16_t{0},
                      .heap_begin = static_cast<std::uint16_t>(kPageBytes),
                      .heap_dead = std::uint16_t{0},
                      .prefix_bytes = std::uint16_t{0}});
  // What the memory held before is nobody's business on disk.
  std::memset(bytes_ + sizeof(PageHeader), 0, kRoom);
}

void PageEditor::move_to(std::uint64_t address, std::uint64_t birth) {
  PageHeader header = this->header();
  header.address = address;
  header.birth = birth;
  store(0, header);
}

void PageEditor::insert(unsigned i, Bytes key, Bytes value) {
  const std::size_t bytes = cell_bytes(key, value) - sizeof(Slot);
  PageHeader header = this->header();
  const std::size_t slots_end = slot_at(header.count);
  if (header.heap_begin < slots_end + sizeof(Slot) + bytes) {
    compact();
    header = this->header();
    VEXFS_ASSERT(header.heap_begin >= slots_end + sizeof(Slot) + bytes);
  }
  const auto at = static_cast<std::uint16_t>(header.heap_begin - bytes);
  store(at, CellHeader{.key_bytes = static_cast<std::uint16_t>(key.size()),
                       .value_bytes = static_cast<std::uint16_t>(value.size())});
  std::byte* const text = std::copy(key.begin(), key.end(), bytes_ + at + sizeof(CellHeader));
  std::copy(value.begin(), value.end(), text);
  std::byte* const slot = bytes_ + slot_at(i);
  std::memmove(slot + sizeof(Slot), slot, (header.count - i) * sizeof(Slot));
  header.heap_begin = at;
  header.count = static_cast<std::uint16_t>(header.count + 1);
  store(0, header);
  store(slot_at(i), Slot{.cell = at, .head = head_of(key, header.prefix_bytes)});
  // Keys that share less than those before, or a cell 0 that became one that is compared.
  const unsigned other = i == first() ? i + 1 : first();
  if (i < first() || other >= header.count ||
      common_bytes(key, this->key(other)) < header.prefix_bytes)
    learn_prefix();
}

void PageEditor::learn_prefix() {
  const unsigned begin = first(), end = count();
  // Keys are in order: what the outermost share, all share.
  const std::size_t prefix = begin < end ? common_bytes(key(begin), key(end - 1)) : 0;
  store(offsetof(PageHeader, prefix_bytes), le16(static_cast<std::uint16_t>(prefix)));
  for (unsigned i = 0; i < end; ++i)
    store(slot_at(i),
          Slot{.cell = static_cast<std::uint16_t>(cell(i)), .head = head_of(key(i), prefix)});
}

void PageEditor::remove(unsigned i) {
  PageHeader header = this->header();
  const std::size_t at = cell(i);
  const std::size_t bytes = cell_bytes(key(i), value(i)) - sizeof(Slot);
  if (at == header.heap_begin)
    header.heap_begin = static_cast<std::uint16_t>(at + bytes);
  else
    header.heap_dead = static_cast<std::uint16_t>(header.heap_dead + bytes);
  header.count = static_cast<std::uint16_t>(header.count - 1);
  std::byte* const slot = bytes_ + slot_at(i);
  std::memmove(slot, slot + sizeof(Slot), (header.count - i) * sizeof(Slot));
  store(0, header);
}

void PageEditor::replace(unsigned i, Bytes value) {
  std::copy(value.begin(), value.end(), bytes_ + (this->value(i).data() - page_));
}

void PageEditor::set_child(unsigned i, PagePointer child) {
  replace(i, bytes_of(child));
}

void PageEditor::compact() {
  const Buffer copy = Buffer::take(kPageBytes);
  std::memcpy(copy.data(), bytes_, kPageBytes);
  const PageView old(copy.data());
  PageHeader header = old.header();
  std::size_t at = kPageBytes;
  for (unsigned i = 0; i < header.count; ++i) {
    const Bytes value = old.value(i);
    const std::byte* const begin = old.key(i).data() - sizeof(CellHeader);
    const auto bytes = static_cast<std::size_t>(value.data() + value.size() - begin);
    at -= bytes;
    std::memcpy(bytes_ + at, begin, bytes);
    Slot slot = load<Slot>(slot_at(i));
    slot.cell = static_cast<std::uint16_t>(at);
    store(slot_at(i), slot);
  }
  header.heap_begin = static_cast<std::uint16_t>(at);
  header.heap_dead = std::uint16_t{0};
  store(0, header);
}

PageEditor::Place PageEditor::split(PageEditor& right, unsigned i, Bytes key, Bytes value,
                                    Order order) {
  const unsigned cells = count() + 1;  // with the new one
  const std::size_t total = used() + cell_bytes(key, value);
  const auto bytes_at = [&](unsigned c) {
    if (c == i) return cell_bytes(key, value);
    const unsigned old = c < i ? c : c - 1;
    return cell_bytes(this->key(old), this->value(old));
  };
  // Half of the bytes to each side. A cell is at most 4.4 of 16 KiB, so both sides fit. Keys
  // that arrive in order leave full pages behind: only the new one goes to the right; or, where
  // others stand above it, these, and the page fills further.
  unsigned at = cells - 1;
  if (i != cells - 1) {
    const bool rising = order == Order::rising;
    std::size_t left = bytes_at(0);
    for (at = 1; at < cells - 1; ++at) {
      const std::size_t with_next = left + bytes_at(at);
      if (left >= total / 2 && !(rising && at <= i && with_next <= kRoom)) break;
      left = with_next;
    }
  }
  unsigned moved = 0;
  for (unsigned c = at; c < cells; ++c) {
    if (c == i) continue;
    const unsigned old = c < i ? c : c - 1;
    right.insert(moved++, this->key(old), this->value(old));
  }
  while (moved-- > 0) remove(count() - 1);
  learn_prefix();
  if (i < at) return {.in_right = false, .index = i};
  return {.in_right = true, .index = i - at};
}

void PageEditor::absorb(const PageView& neighbour, bool above) {
  for (unsigned i = 0; i < neighbour.count(); ++i)
    insert(above ? count() : i, neighbour.key(i), neighbour.value(i));
}

}  // namespace vexfs
