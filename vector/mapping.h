// SPDX-License-Identifier: Apache-2.0
// Mapping: zeroed memory that costs nothing until it is touched, for columns and graphs.
//
// Aligned to 2 MiB. Always: the address does not change while it lives. Threads: any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace vexfs {

// A column's first segment takes huge pages once it holds this many slots; a small space would
// pay megabytes for a few rows. Later segments take them from the start.
inline constexpr std::uint32_t kHugePagesFromSlot = 4096;

class Mapping {
 public:
  static Result<Mapping> make(std::size_t bytes);  // ENOMEM
  // From now on in 2 MiB pages where the kernel has them, what was touched already, too. For
  // memory that will be full: random reads of it miss the TLB less. Any thread may use it
  // meanwhile.
  void use_huge_pages();

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
