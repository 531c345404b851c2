// SPDX-License-Identifier: Apache-2.0
#include "bench/fio_peer.h"

#include <array>
#include <cstdio>
#include <string_view>

#include "base/json.h"
#include "base/text.h"

namespace vexfs::bench {

std::optional<FioResult> run_fio(const FioJob& job) {
  FioResult result;
  result.settings = format("--ioengine=io_uring --direct=1 --rw={} --bs={} --iodepth={} {}", job.rw,
                           job.block_bytes, job.depth, job.more);
  const std::string command = format(
      "fio --name=peer --filename='{}' --size={} --time_based --runtime={} "
      "--output-format=json {} 2>/dev/null",
      job.file, job.size_bytes, job.seconds, result.settings);
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return std::nullopt;
  std::string text;
  std::array<char, 512> part;
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;)
    text.append(part.data(), n);
  if (::pclose(pipe) != 0) return std::nullopt;
  const auto all = nlohmann::json::parse(text.substr(text.find('{')), nullptr, false);
  if (all.is_discarded()) return std::nullopt;
  const auto& numbers = all["jobs"][0];
  const bool reads = std::string_view(job.rw).ends_with("read");
  const auto& side = numbers[reads ? "read" : "write"];
  result.per_second = side["iops"].get<double>();
  result.bytes_per_second = side["bw_bytes"].get<double>();
  const double cpu_percent = numbers["usr_cpu"].get<double>() + numbers["sys_cpu"].get<double>();
  result.cpu_us = cpu_percent / 100 * 1e6 / result.per_second;
  return result;
}

}  // namespace vexfs::bench
