// SPDX-License-Identifier: Apache-2.0
// Bytes: borrowed memory. Text and bytes are the same thing to a file system.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>

namespace vexfs {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
// The bytes of one trivially copyable value (a *_format.h struct).
template <class T>
  requires std::is_trivially_copyable_v<T>
Bytes bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace vexfs
