// SPDX-License-Identifier: Apache-2.0
#include "vector/row_file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/buffer_pool.h"
#include "base/endian.h"
#include "vector/float16.h"
#include "vector/npy_header.h"

namespace vexfs {

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// Where the rows lie, once the header is believed.
struct Layout {
  RowFileShape shape;
  NpyElement element = NpyElement::float32;
  bool unsigned_bytes = false;     // .bvecs
  std::uint64_t first_offset = 0;  // of row 0
  std::size_t prefix_bytes = 0;    // the dimension in front of each row of a vecs file
  std::size_t row_bytes = 0;       // with the prefix
};

std::unexpected<Error> refuse(const char* why) {
  return fail(EINVAL, why);
}

// All of `into`, or EINVAL: the file ends before it should.
Result<> read_all(ReadAt read, std::uint64_t offset, MutableBytes into) {
  std::size_t done = 0;
  while (done < into.size()) {
    VEXFS_TRY(const std::size_t got, read(offset + done, into.subspan(done)));
    if (got == 0) return refuse("vector: a row file ends within a row");
    done += got;
  }
  return {};
}

std::uint32_t dimension_at(const std::byte* prefix) {
  le32 stored;
  std::memcpy(&stored, prefix, sizeof stored);
  return stored;
}

Result<Layout> vecs_layout(RowFileKind kind, std::uint64_t file_bytes, ReadAt read) {
  std::array<std::byte, sizeof(le32)> prefix;
  if (file_bytes < prefix.size()) return refuse("vector: a row file without a row");
  VEXFS_CHECK(read_all(read, 0, prefix));
  const std::uint32_t dimension = dimension_at(prefix.data());
  if (dimension == 0 || dimension > kDimensionMax)
    return refuse("vector: dimension of a row file out of range");
  const bool bytes = kind == RowFileKind::bvecs;
  const std::size_t row_bytes = sizeof(le32) + dimension * (bytes ? 1 : sizeof(float));
  if (file_bytes % row_bytes != 0) return refuse("vector: a row file is no whole number of rows");
  return Layout{.shape = {.dimension = dimension, .rows = file_bytes / row_bytes},
                .unsigned_bytes = bytes,
                .prefix_bytes = sizeof(le32),
                .row_bytes = row_bytes};
}

Result<Layout> npy_layout(std::uint64_t file_bytes, ReadAt read) {
  const Buffer start = Buffer::take(std::min(file_bytes, kNpyHeaderBytesMax));
  VEXFS_CHECK(read_all(read, 0, start.bytes()));
  VEXFS_TRY(const NpyHeader header, parse_npy_header(start.bytes()));
  if (header.columns == 0 || header.columns > kDimensionMax)
    return refuse("vector: dimension of a row file out of range");
  const std::uint64_t element_bytes = header.element == NpyElement::float32   ? 4
                                      : header.element == NpyElement::float16 ? 2
                                                                              : 1;
  const std::uint64_t row_bytes = header.columns * element_bytes;
  // Divided, not multiplied: the header may claim any number of rows.
  const std::uint64_t data_bytes = file_bytes - header.data_offset;
  if (data_bytes % row_bytes != 0 || data_bytes / row_bytes != header.rows)
    return refuse("vector: a .npy file is not as long as its header says");
  return Layout{
      .shape = {.dimension = static_cast<std::uint32_t>(header.columns), .rows = header.rows},
      .element = header.element,
      .first_offset = header.data_offset,
      .row_bytes = row_bytes};
}

Result<Layout> layout_of(RowFileKind kind, std::uint64_t file_bytes, ReadAt read) {
  return kind == RowFileKind::npy ? npy_layout(file_bytes, read)
                                  : vecs_layout(kind, file_bytes, read);
}

float float_at(const std::byte* from) {
  le32 stored;
  std::memcpy(&stored, from, sizeof stored);
  return std::bit_cast<float>(static_cast<std::uint32_t>(stored));
}

float half_at(const std::byte* from) {
  le16 stored;
  std::memcpy(&stored, from, sizeof stored);
  return float_of_half(stored);
}

void decode(const Layout& layout, const std::byte* from, std::span<float> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    if (layout.unsigned_bytes)
      into[i] = static_cast<float>(std::to_integer<std::uint8_t>(from[i]));
    else if (layout.element == NpyElement::int8)
      into[i] = static_cast<float>(static_cast<std::int8_t>(from[i]));
    else if (layout.element == NpyElement::float16)
      into[i] = half_at(from + 2 * i);
    else
      into[i] = float_at(from + 4 * i);
  }
}

}  // namespace

std::optional<RowFileKind> row_file_kind(std::string_view name) {
  const auto ends_with = [&](std::string_view suffix) {
    return name.size() > suffix.size() &&
           std::equal(suffix.rbegin(), suffix.rend(), name.rbegin(), [](char a, char b) {
             return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
           });
  };
  if (ends_with(".fvecs")) return RowFileKind::fvecs;
  if (ends_with(".bvecs")) return RowFileKind::bvecs;
  if (ends_with(".npy")) return RowFileKind::npy;
  return std::nullopt;
}

Result<RowFileShape> row_file_shape(RowFileKind kind, std::uint64_t file_bytes, ReadAt read) {
  VEXFS_TRY(const Layout layout, layout_of(kind, file_bytes, read));
  return layout.shape;
}

Result<> visit_rows(RowFileKind kind, std::uint64_t file_bytes, ReadAt read, VisitRow visit) {
  VEXFS_TRY(const Layout layout, layout_of(kind, file_bytes, read));
  const std::uint64_t rows_a_piece = kPieceBytes / layout.row_bytes;
  const Buffer piece = Buffer::take(kPieceBytes);
  const Buffer values_buffer = Buffer::take(layout.shape.dimension * sizeof(float));
  const std::span values(reinterpret_cast<float*>(values_buffer.data()), layout.shape.dimension);
  for (std::uint64_t row = 0; row < layout.shape.rows;) {
    const std::uint64_t count = std::min(rows_a_piece, layout.shape.rows - row);
    VEXFS_CHECK(read_all(read, layout.first_offset + row * layout.row_bytes,
                         piece.bytes().first(count * layout.row_bytes)));
    for (const std::byte* at = piece.data(); at != piece.data() + count * layout.row_bytes;
         at += layout.row_bytes, ++row) {
      if (layout.prefix_bytes != 0 && dimension_at(at) != layout.shape.dimension)
        return refuse("vector: rows of a row file differ in dimension");
      decode(layout, at + layout.prefix_bytes, values);
      if (!visit(row, values)) return {};
    }
  }
  return {};
}

}  // namespace vexfs
