// SPDX-License-Identifier: Apache-2.0
// Metrics: counters, gauges and latency histograms with one registry and two views.
//
// Names are a contract: vexfs_<area>_<what>_{seconds,bytes,total}. A metric is made once,
// lives until the program ends, and is kept by reference:
//
//   static Counter& hits = metrics::counter("vexfs_cache_hits_total", "Pages found in memory");
//   static Histogram& took = metrics::histogram("vexfs_fuse_op_seconds", "…", "op=\"lookup\"");
//   { Timed timed(took); … }
//
// Threads: any; recording takes no lock.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace vexfs {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(std::int64_t v) { value_.store(v, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Histogram: nanoseconds in log-linear buckets (HdrHistogram's layout, 16 steps an octave,
// so a quantile is at most 1/16 too high). Values over 18 minutes count as 18 minutes.
class Histogram {
 public:
  void record(std::uint64_t ns);
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  std::uint64_t sum_ns() const { return sum_ns_.load(std::memory_order_relaxed); }
  // Upper bound of the bucket that holds the q-th value, 0 < q <= 1; 0 while empty.
  std::uint64_t quantile_ns(double q) const;

 private:
  static constexpr unsigned kStepsLog2 = 4;
  static constexpr unsigned kOctaves = 36;  // 16 ns … 2^40 ns
  static constexpr unsigned kBuckets = (kOctaves + 1) << kStepsLog2;
  static unsigned bucket_of(std::uint64_t ns);
  static std::uint64_t upper_bound(unsigned bucket);
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> sum_ns_{0};
};

// Records the time from its making to its end.
class Timed {
 public:
  explicit Timed(Histogram& into) : into_(into), start_ns_(monotonic_ns()) {}
  ~Timed() { into_.record(monotonic_ns() - start_ns_); }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Histogram& into_;
  const std::uint64_t start_ns_;
};

namespace metrics {
// The metric of this name and labels (`op="lookup"`), made at the first call.
// A name keeps its kind: asking for another one is a bug and aborts.
Counter& counter(std::string_view name, std::string_view help, std::string_view labels = {});
Gauge& gauge(std::string_view name, std::string_view help, std::string_view labels = {});
Histogram& histogram(std::string_view name, std::string_view help, std::string_view labels = {});

std::string prometheus();  // text exposition format 0.0.4; histograms as summaries
std::string for_people();  // aligned columns, metrics that were never touched left out
}  // namespace metrics

}  // namespace vexfs
