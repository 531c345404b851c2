// SPDX-License-Identifier: Apache-2.0
// PageView, PageEditor: the cells of one tree page in memory, read and changed.
//
// They borrow kPageBytes of memory that validate() has accepted or PageEditor::init() has made.
// Threads: those of the memory: many readers or one editor.
#pragma once
#include <cstring>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/page_format.h"

namespace vexfs {

// The check of a page as a pointer keeps it; never 0, which says "not written yet".
std::uint64_t page_check(Bytes page);

class PageView {
 public:
  explicit PageView(const std::byte* page) : page_(page) {}

  // Everything that the other methods rely on, for bytes that a device returned.
  static Result<> validate(Bytes page);

  PageHeader header() const { return load<PageHeader>(0); }
  unsigned level() const { return std::to_integer<unsigned>(page_[7]); }
  unsigned count() const { return load<le16>(offsetof(PageHeader, count)); }
  Bytes key(unsigned i) const {
    const std::size_t at = cell(i);
    return {page_ + at + sizeof(CellHeader), load<CellHeader>(at).key_bytes};
  }
  Bytes value(unsigned i) const {
    const std::size_t at = cell(i);
    const CellHeader header = load<CellHeader>(at);
    return {page_ + at + sizeof(CellHeader) + header.key_bytes, header.value_bytes};
  }
  // The child of cell i; levels above 0.
  PagePointer child(unsigned i) const;
  // The first cell whose key is not below `key`; count() when there is none. Above the leaves
  // cell 0 counts as below everything.
  unsigned lower_bound(Bytes key, bool& equal) const;
  // Which cell's child covers `key`; levels above 0.
  unsigned child_of(Bytes key) const;
  // Bytes of cells and their slots.
  std::size_t used() const;
  static std::size_t cell_bytes(Bytes key, Bytes value) {
    return sizeof(CellHeader) + key.size() + value.size() + sizeof(Slot);
  }
  static constexpr std::size_t kRoom = kPageBytes - sizeof(PageHeader);

 protected:
  template <class T>
  T load(std::size_t at) const {
    T value;
    std::memcpy(&value, page_ + at, sizeof value);
    return value;
  }
  static std::size_t slot_at(unsigned i) { return sizeof(PageHeader) + i * sizeof(Slot); }
  std::size_t cell(unsigned i) const { return load<Slot>(slot_at(i)).cell; }
  // The first cell that is ever compared.
  unsigned first() const { return level() > 0 ? 1 : 0; }
  const std::byte* page_;
};

class PageEditor : public PageView {
 public:
  explicit PageEditor(std::byte* page) : PageView(page), bytes_(page) {}
  void init(Tree tree, unsigned level, std::uint64_t address, std::uint64_t birth);
  void move_to(std::uint64_t address, std::uint64_t birth);  // a copy gets its own place

  bool fits(Bytes key, Bytes value) const { return used() + cell_bytes(key, value) <= kRoom; }
  void insert(unsigned i, Bytes key, Bytes value);  // fits() is the caller's duty
  void remove(unsigned i);
  void set_child(unsigned i, PagePointer child);
  // Overwrites a value of the same length.
  void replace(unsigned i, Bytes value);
  // Makes room for a cell at i that does not fit: the upper part goes to `right`, which is
  // empty. Says in which page, and where, the cell is to be inserted.
  struct Place {
    bool in_right = false;
    unsigned index = 0;
  };
  // `rising`: the next cell will come behind this one.
  enum class Order : bool { any, rising };
  Place split(PageEditor& right, unsigned i, Bytes key, Bytes value, Order order = Order::any);
  // Takes all cells of a neighbour, whose keys are all above or all below.
  void absorb(const PageView& neighbour, bool above);

 private:
  template <class T>
  void store(std::size_t at, const T& value) {
    std::memcpy(bytes_ + at, &value, sizeof value);
  }
  void set_count(unsigned count) {
    store(offsetof(PageHeader, count), le16(static_cast<std::uint16_t>(count)));
  }
  void compact();
  void learn_prefix();  // as long as it can be, with the heads that follow from it
  std::byte* bytes_;
};

}  // namespace vexfs
