// SPDX-License-Identifier: Apache-2.0
#include "vector/npy_header.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace vexfs {

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);

std::unexpected<Error> refuse() {
  return fail(EINVAL, "vector: not a .npy header that can be rows");
}

// Takes the tokens of the one dict that a header is. A parser that knows just these three keys
// cannot be led astray by others.
class DictReader {
 public:
  explicit DictReader(std::string_view text) : rest_(text) {}

  bool take(char wanted) {
    skip_blanks();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<std::string_view> quoted() {
    skip_blanks();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return std::nullopt;
    const std::size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::optional<std::uint64_t> number() {
    skip_blanks();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  bool at_end() {
    skip_blanks();
    return rest_.empty();
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

std::optional<NpyElement> element_of(std::string_view description) {
  if (description == "<f4") return NpyElement::float32;
  if (description == "<f2") return NpyElement::float16;
  if (description == "|i1" || description == "<i1") return NpyElement::int8;
  return std::nullopt;
}

bool parse_shape(DictReader& dict, NpyHeader& header) {
  if (!dict.take('(')) return false;
  const auto rows = dict.number();
  if (!rows || !dict.take(',')) return false;
  const auto columns = dict.number();
  if (!columns) return false;
  dict.take(',');
  header.rows = *rows;
  header.columns = *columns;
  return dict.take(')');
}

bool parse_dict(std::string_view text, NpyHeader& header) {
  DictReader dict(text);
  bool has_element = false, has_order = false, has_shape = false;
  if (!dict.take('{')) return false;
  while (!dict.take('}')) {
    const auto key = dict.quoted();
    if (!key || !dict.take(':')) return false;
    if (*key == "descr" && !has_element) {
      const auto description = dict.quoted();
      const auto element = description ? element_of(*description) : std::nullopt;
      if (!element) return false;
      header.element = *element;
      has_element = true;
    } else if (*key == "fortran_order" && !has_order) {
      if (!dict.take(std::string_view("False"))) return false;
      has_order = true;
    } else if (*key == "shape" && !has_shape) {
      if (!parse_shape(dict, header)) return false;
      has_shape = true;
    } else {
      return false;
    }
    if (!dict.take(',')) {
      if (!dict.take('}')) return false;
      break;
    }
  }
  return has_element && has_order && has_shape && dict.at_end();
}

}  // namespace

Result<NpyHeader> parse_npy_header(Bytes start) {
  const std::string_view text = as_text(start);
  if (!text.starts_with(kMagic) || text.size() < 12) return refuse();
  const auto byte = [&](std::size_t i) {
    return static_cast<std::size_t>(static_cast<unsigned char>(text[i]));
  };
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) return refuse();
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  std::size_t length = 0;
  for (std::size_t i = 0; i < length_bytes; ++i) length |= byte(8 + i) << (8 * i);
  const std::size_t begin = 8 + length_bytes;
  if (length > text.size() - begin) return refuse();
  NpyHeader header{.data_offset = begin + length};
  if (!parse_dict(text.substr(begin, length), header)) return refuse();
  return header;
}

}  // namespace vexfs
