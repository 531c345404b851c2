// SPDX-License-Identifier: Apache-2.0
// Mapping: zeroed memory that costs nothing until it is touched, for columns and graphs.
//
// Aligned to 2 MiB. Always: the address does not change while it lives. Threads: any.
#pragma once
#include <cstddef>
#include <utility>

#include "base/result.h"

namespace vexfs {

class Mapping {
 public:
  static Result<Mapping> make(std::size_t bytes);  // ENOMEM

  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping();

  std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace vexfs
