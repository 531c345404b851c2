// SPDX-License-Identifier: Apache-2.0
#include "search/postings.h"

#include "base/assert.h"

namespace vexfs {

void Postings::add(Posting posting) {
  if (size_ == 0 || posting.slot > last_) return append(posting);
  Postings merged;
  bool waits = true;
  for_each([&](Posting present) {
    VEXFS_ASSERT(present.slot != posting.slot);
    if (waits && present.slot > posting.slot) {
      merged.append(posting);
      waits = false;
    }
    merged.append(present);
  });
  swap(merged);
}

void Postings::append(Posting posting) {
  std::byte coded[2 * kVarintBytesMax];
  std::byte* const end = put_varint(put_varint(coded, posting.slot - last_), posting.count);
  const auto bytes = static_cast<std::uint32_t>(end - coded);
  while (capacity_ - size_ < bytes) grow();
  std::memcpy(data() + size_, coded, bytes);
  size_ += bytes;
  last_ = posting.slot;
}

void Postings::grow() {
  const std::uint32_t capacity = capacity_ == kInline ? 32 : capacity_ + capacity_ / 2;
  std::byte* const larger = new std::byte[capacity];
  std::memcpy(larger, data(), size_);
  if (capacity_ > kInline) delete[] heap();
  std::memcpy(room_, &larger, sizeof larger);
  capacity_ = capacity;
}

}  // namespace vexfs
