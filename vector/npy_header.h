// SPDX-License-Identifier: Apache-2.0
// The header of a .npy file: magic, version, length, then a Python dict as text.
// Source: NumPy Enhancement Proposal 1, versions 1.0 to 3.0. Threads: any.
#pragma once
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace vexfs {

enum class NpyElement : std::uint8_t { float32, float16, int8 };

struct NpyHeader {
  NpyElement element = NpyElement::float32;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::uint64_t data_offset = 0;  // of the first element
};

// What a header may take at most; NumPy itself writes 64 to 128 bytes.
inline constexpr std::uint64_t kNpyHeaderBytesMax = 4096;

// `start` is the first min(file, kNpyHeaderBytesMax) bytes. EINVAL: not a header, Fortran order,
// another element than those above, or not two dimensions.
Result<NpyHeader> parse_npy_header(Bytes start);

}  // namespace vexfs
