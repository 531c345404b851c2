// SPDX-License-Identifier: Apache-2.0
#include "search/safetensors.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/endian.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kHeaderBytesMax = 100'000'000;  // as the format's own library has it

struct TypeName {
  std::string_view name;
  Tensor::Type type;
  std::size_t bytes;
};
constexpr std::array kTypes = {
    TypeName{"F32", Tensor::Type::f32, 4}, TypeName{"F16", Tensor::Type::f16, 2},
    TypeName{"I8", Tensor::Type::i8, 1},   TypeName{"I32", Tensor::Type::i32, 4},
    TypeName{"I64", Tensor::Type::i64, 8}, TypeName{"F64", Tensor::Type::f64, 8}};

template <class T>
T raw(std::string_view bytes, std::uint64_t index) {
  static_assert(std::endian::native == std::endian::little);
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// IEEE 754 half to single.
float of_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half} >> 15 << 31;
  const std::uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float small = static_cast<float>(fraction) * 0x1p-24F;
  return sign != 0 ? -small : small;
}

}  // namespace

std::uint64_t Tensor::values() const {
  std::uint64_t count = 1;
  for (const std::uint64_t size : shape) count *= size;
  return count;
}

float Tensor::value(std::uint64_t index) const {
  switch (type) {
    case Type::f32:
      return raw<float>(bytes, index);
    case Type::f16:
      return of_half(raw<std::uint16_t>(bytes, index));
    case Type::f64:
      return static_cast<float>(raw<double>(bytes, index));
    case Type::i8:
      return raw<std::int8_t>(bytes, index);
    default:
      return 0;
  }
}

std::int64_t Tensor::integer(std::uint64_t index) const {
  return type == Type::i32 ? raw<std::int32_t>(bytes, index) : raw<std::int64_t>(bytes, index);
}

Result<Safetensors> Safetensors::parse(std::string file) {
  Safetensors tensors;
  if (file.size() < sizeof(std::uint64_t)) return fail(EINVAL, "safetensors: too short");
  const auto header = raw<std::uint64_t>(file, 0);
  if (header > kHeaderBytesMax || header > file.size() - sizeof header)
    return fail(EINVAL, "safetensors: its header is longer than the file");
  VEXFS_TRY(tensors.header_, parse_json(std::string_view(file).substr(sizeof header, header)));
  if (!tensors.header_.is_object()) return fail(EINVAL, "safetensors: its header is no object");
  tensors.begin_ = sizeof header + header;
  tensors.file_ = std::move(file);
  return tensors;
}

Result<Tensor> Safetensors::tensor(const std::string& name) const {
  const auto found = header_.find(name);
  if (found == header_.end()) return fail(ENOENT, "safetensors: no such tensor");
  const auto bad = [] { return fail(EINVAL, "safetensors: a tensor that does not add up"); };
  if (!found->is_object() || !found->contains("dtype") || !(*found)["dtype"].is_string() ||
      !found->contains("shape") || !(*found)["shape"].is_array() ||
      !found->contains("data_offsets") || !(*found)["data_offsets"].is_array() ||
      (*found)["data_offsets"].size() != 2)
    return bad();
  Tensor tensor;
  const std::uint64_t all = file_.size() - begin_;
  std::uint64_t values = 1;
  for (const Json& size : (*found)["shape"]) {
    if (!size.is_number_unsigned()) return bad();
    tensor.shape.push_back(size.get<std::uint64_t>());
    if (tensor.shape.back() != 0 && values > all / tensor.shape.back()) return bad();
    values *= tensor.shape.back();
  }
  const Json& offsets = (*found)["data_offsets"];
  if (!offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned()) return bad();
  const auto from = offsets[0].get<std::uint64_t>(), to = offsets[1].get<std::uint64_t>();
  if (from > to || to > all) return bad();
  tensor.bytes = std::string_view(file_).substr(begin_ + from, to - from);
  for (const TypeName& one : kTypes)
    if ((*found)["dtype"].get_ref<const std::string&>() == one.name) {
      tensor.type = one.type;
      if (tensor.bytes.size() != values * one.bytes) return bad();
      return tensor;
    }
  return fail(EINVAL, "safetensors: a type of values that is not known");
}

}  // namespace vexfs
