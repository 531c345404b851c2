// SPDX-License-Identifier: Apache-2.0
// Row files: .fvecs, .bvecs and .npy (2-D float32, float16, int8; C order, little-endian),
// each row a vector. Reads the file in pieces; a row file may be larger than memory.
//
// Sources: the TEXMEX vecs layout (per row: int32 dimension, then the elements); NumPy's NEP 1.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "vector/metric.h"

namespace vexfs {

enum class RowFileKind : std::uint8_t { fvecs, bvecs, npy };

// By the suffix of the name, any case.
std::optional<RowFileKind> row_file_kind(std::string_view name);

struct RowFileShape {
  std::uint32_t dimension = 0;
  std::uint64_t rows = 0;
};

// Fills `into` with the bytes at `offset`; returns how many there were (short only at the end).
using ReadAt = FunctionRef<Result<std::size_t>(std::uint64_t offset, MutableBytes into)>;
// row number, values. False stops.
using VisitRow = FunctionRef<bool(std::uint64_t row, std::span<const float> values)>;

// EINVAL: the header does not parse, a row has another dimension than the first, the dimension
// is 0 or over kDimensionMax, or the size is no whole number of rows.
Result<RowFileShape> row_file_shape(RowFileKind kind, std::uint64_t file_bytes, ReadAt read);
Result<> visit_rows(RowFileKind kind, std::uint64_t file_bytes, ReadAt read, VisitRow visit);

}  // namespace vexfs
