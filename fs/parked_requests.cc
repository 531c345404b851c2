// SPDX-License-Identifier: Apache-2.0
#include "fs/parked_requests.h"

#include "base/metrics.h"

namespace vexfs {

namespace {

struct ParkedMetrics {
  Counter& parked =
      metrics::counter("vexfs_fuse_parked_total", "Requests that had to wait on a worker");
  Counter& full = metrics::counter("vexfs_fuse_parking_full_total",
                                   "Requests that had to wait for a place to wait in");
  Gauge& now = metrics::gauge("vexfs_fuse_parked_requests", "Requests that wait on a worker");
  Gauge& bytes = metrics::gauge("vexfs_fuse_parked_bytes", "What those carry");
};

ParkedMetrics& parked_metrics() {
  static ParkedMetrics& the_one = *new ParkedMetrics;
  return the_one;
}

}  // namespace

ParkedRequests::Place ParkedRequests::take(std::size_t bytes) {
  ParkedMetrics& metrics = parked_metrics();
  metrics.parked.add();
  Lock lock(mutex_);
  const auto fits = [&]() REQUIRES(mutex_) {
    return count_ < limits_.count && (bytes == 0 || bytes_ == 0 || bytes_ + bytes <= limits_.bytes);
  };
  if (!fits()) metrics.full.add();
  while (!fits()) left_.wait(mutex_);
  ++count_;
  bytes_ += bytes;
  metrics.now.add(1);
  metrics.bytes.add(static_cast<std::int64_t>(bytes));
  return Place(*this, bytes);
}

void ParkedRequests::leave(std::size_t bytes) {
  ParkedMetrics& metrics = parked_metrics();
  metrics.now.add(-1);
  metrics.bytes.add(-static_cast<std::int64_t>(bytes));
  Lock lock(mutex_);
  --count_;
  bytes_ -= bytes;
  left_.notify_all();
}

}  // namespace vexfs
