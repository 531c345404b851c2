// SPDX-License-Identifier: Apache-2.0
// ShortKey: a tree key made of a few numbers, as Key makes it, in 40 bytes: several of them stand
// on the stack of an operation, which has 4 KiB.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/key.h"  // KeyReader, which takes both apart

namespace vexfs {

class ShortKey {
 public:
  ShortKey& u8(std::uint8_t v) { return number(v); }
  ShortKey& u64(std::uint64_t v) { return number(v); }
  Bytes bytes() const { return {raw_, size_}; }
  operator Bytes() const { return bytes(); }

 private:
  template <class T>
  ShortKey& number(T v) {
    VEXFS_ASSERT(size_ + sizeof v <= sizeof raw_);
    for (int shift = 8 * (int{sizeof v} - 1); shift >= 0; shift -= 8)
      raw_[size_++] = static_cast<std::byte>(v >> shift);
    return *this;
  }
  std::uint8_t size_ = 0;
  std::byte raw_[39];
};

}  // namespace vexfs
