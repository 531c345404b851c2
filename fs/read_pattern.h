// SPDX-License-Identifier: Apache-2.0
// ReadPattern: what a file's next reads will be, seen from those before. A value, no locks.
//
//   sequential   two reads that follow each other: a window of 128 KiB is read ahead, doubled up
//                to 2 MiB while it is used
//   stride       three equal steps, forwards or backwards: the next places
//
// A read out of line halves the window; two in a row end the pattern. Reads of one window may
// come in any order: a kernel sends several at once.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace vexfs {

class ReadPattern {
 public:
  static constexpr std::uint32_t kWindowMin = 32, kWindowMax = 512;  // blocks
  static constexpr std::size_t kRangesMax = 8;
  struct Range {  // of blocks
    std::uint64_t first = 0;
    std::uint32_t blocks = 0;
  };
  struct Plan {
    std::array<Range, kRangesMax> ranges;
    std::size_t count = 0;
  };
  // The blocks [first, first + blocks) are read; what to read ahead now, nothing of it twice.
  Plan read(std::uint64_t first, std::uint32_t blocks);

 private:
  void add(Plan& plan, std::uint64_t first, std::uint64_t blocks);
  bool read_in_line(std::uint64_t first, std::uint64_t end, Plan& plan);
  void read_in_steps(std::uint64_t first, std::uint32_t blocks, Plan& plan);

  std::uint64_t last_ = 0;      // where the last read began
  std::uint64_t expected_ = 0;  // where a sequential reader goes on
  std::uint64_t ahead_to_ = 0;  // read ahead up to here
  std::uint32_t window_ = kWindowMin;
  std::uint32_t in_line_ = 0;  // sequential reads in a row
  std::int64_t step_ = 0;
  std::uint32_t steps_ = 0;        // equal ones in a row
  std::uint32_t steps_ahead_ = 0;  // already read
  bool any_ = false;
};

}  // namespace vexfs
