// SPDX-License-Identifier: Apache-2.0
// One measured result is one line that a machine can read:
//   bench=create where=mount n=5000 per_second=71000 p50_us=13.1 p99_us=40.2
#pragma once
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/text.h"

namespace vexfs::bench {

// Times single calls; the line is printed by report().
class Samples {
 public:
  explicit Samples(std::string name) : name_(std::move(name)) {}
  template <class Call>
  void time(Call&& call) {
    const std::uint64_t start = monotonic_ns();
    call();
    ns_.push_back(monotonic_ns() - start);
  }
  // `extra` is appended as it is: "recall=0.97".
  void report(std::string_view where, std::string_view extra = {}) {
    if (ns_.empty()) return;
    std::ranges::sort(ns_);
    std::uint64_t total = 0;
    for (std::uint64_t one : ns_) total += one;
    const double seconds = static_cast<double>(total) * 1e-9;
    std::puts(format("bench={} where={} n={} per_second={:.0f} p50_us={:.1f} p99_us={:.1f}{}{}",
                     name_, where, ns_.size(), static_cast<double>(ns_.size()) / seconds, us(.5),
                     us(.99), extra.empty() ? "" : " ", extra)
                  .c_str());
    std::fflush(stdout);
  }

 private:
  double us(double q) const {
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(ns_.size() - 1));
    return static_cast<double>(ns_[rank]) * 1e-3;
  }
  std::string name_;
  std::vector<std::uint64_t> ns_;
};

}  // namespace vexfs::bench
