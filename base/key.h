// SPDX-License-Identifier: Apache-2.0
// Key: a tree key built in place. Numbers are big-endian, so memcmp order is numeric order.
// It is small: several stand on the stack of an operation, which has 4 KiB. Names are no part of
// keys; their hashes are.
#pragma once
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"

namespace vexfs {

inline constexpr std::size_t kKeyBytesMax = 288;  // that a tree takes

class Key {
 public:
  Key() = default;
  Key& u8(std::uint8_t v) { return number(v); }
  Key& u16(std::uint16_t v) { return number(v); }
  Key& u32(std::uint32_t v) { return number(v); }
  Key& u64(std::uint64_t v) { return number(v); }
  // Raw bytes; only as the last part, for their length is not stored.
  Key& text(std::string_view v) {
    VEXFS_ASSERT(size_ + v.size() <= sizeof raw_);
    std::memcpy(raw_ + size_, v.data(), v.size());
    size_ += static_cast<std::uint8_t>(v.size());
    return *this;
  }
  Bytes bytes() const { return {raw_, size_}; }
  operator Bytes() const { return bytes(); }

 private:
  template <class T>
  Key& number(T v) {
    VEXFS_ASSERT(size_ + sizeof v <= sizeof raw_);
    for (int shift = 8 * (int{sizeof v} - 1); shift >= 0; shift -= 8)
      raw_[size_++] = static_cast<std::byte>(v >> shift);
    return *this;
  }
  std::uint8_t size_ = 0;
  std::byte raw_[39];
};

// KeyReader: takes the parts of a key off again. Bytes that are too short set failed().
class KeyReader {
 public:
  explicit KeyReader(Bytes key) : rest_(key) {}
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::string_view text() { return as_text(std::exchange(rest_, {})); }
  bool failed() const { return failed_; }

 private:
  template <class T>
  T number() {
    if (rest_.size() < sizeof(T)) {
      failed_ = true;
      return 0;
    }
    T v = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
      v = static_cast<T>((std::uint64_t{v} << 8) | std::to_integer<std::uint64_t>(rest_[i]));
    rest_ = rest_.subspan(sizeof(T));
    return v;
  }
  Bytes rest_;
  bool failed_ = false;
};

}  // namespace vexfs
