// SPDX-License-Identifier: Apache-2.0
// Safetensors: tensors as a model's folder holds them: le64 length of a JSON header, the header,
// raw values. Every offset is checked against the file. Threads: values; any reader.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vexfs {

struct Tensor {
  enum class Type : std::uint8_t { f32, f16, i8, i32, i64, f64 } type = Type::f32;
  std::vector<std::uint64_t> shape;
  std::string_view bytes;  // in the file it was read from

  std::uint64_t values() const;
  float value(std::uint64_t index) const;           // of f32, f16, i8, f64
  std::int64_t integer(std::uint64_t index) const;  // of i32, i64
};

class Safetensors {
 public:
  // EINVAL: it is no such file, or damaged.
  static Result<Safetensors> parse(std::string file);
  // ENOENT: it has no such tensor. EINVAL: of a type that is not in the list above.
  Result<Tensor> tensor(const std::string& name) const;

 private:
  std::string file_;
  Json header_;
  std::size_t begin_ = 0;  // of the values
};

}  // namespace vexfs
