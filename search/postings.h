// SPDX-License-Identifier: Apache-2.0
// Postings: the slots that hold one term, ascending, with how often. A posting takes two or three
// bytes (differences as varints); a term of one chunk takes no heap.
//
// Threads: readers any while nobody writes (the index's lock).
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "search/varint.h"
#include "vector/rows.h"

namespace vexfs {

struct Posting {
  Slot slot = 0;
  std::uint32_t count = 0;
};

class Postings {
 public:
  Postings() = default;
  Postings(Postings&& other) noexcept { swap(other); }
  Postings& operator=(Postings&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Postings() {
    if (capacity_ > kInline) delete[] heap();
  }

  // A slot behind the last one is appended; one before it costs a pass over the list. A slot
  // that is present is a bug.
  void add(Posting posting);

  // Calls `visit(Posting)` for each, ascending.
  template <class Visit>
  void for_each(Visit visit) const {
    Slot slot = 0;
    const std::byte* const end = data() + size_;
    for (const std::byte* at = data(); at != end;) {
      std::uint32_t step = 0, count = 0;
      at = take_varint(take_varint(at, step), count);
      slot += step;
      visit(Posting{.slot = slot, .count = count});
    }
  }
  std::size_t heap_bytes() const { return capacity_ > kInline ? capacity_ : 0; }

 private:
  static constexpr std::uint32_t kInline = 12;
  void append(Posting posting);
  void grow();
  void swap(Postings& other) {
    std::swap(room_, other.room_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(last_, other.last_);
  }
  std::byte* heap() const {
    std::byte* pointer = nullptr;
    std::memcpy(&pointer, room_, sizeof pointer);
    return pointer;
  }
  const std::byte* data() const { return capacity_ > kInline ? heap() : room_; }
  std::byte* data() { return capacity_ > kInline ? heap() : room_; }

  std::byte room_[kInline]{};  // the list itself, or where it is
  std::uint32_t size_ = 0, capacity_ = kInline;
  Slot last_ = 0;
};

}  // namespace vexfs
