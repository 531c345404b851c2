// SPDX-License-Identifier: Apache-2.0
// fio as the peer of a measurement: run on the same file, right beside it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace vexfs::bench {

struct FioJob {
  std::string file;
  const char* rw = "randread";  // as fio calls it
  std::uint64_t size_bytes = 0;
  std::uint64_t block_bytes = 4096;
  unsigned depth = 1;
  unsigned seconds = 2;
  const char* more = "";  // further options
};
struct FioResult {
  double per_second = 0;
  double bytes_per_second = 0;
  double cpu_us = 0;  // of one transfer, user and system
  std::string settings;
};
// Nothing where fio is not installed or refuses.
std::optional<FioResult> run_fio(const FioJob& job);

}  // namespace vexfs::bench
