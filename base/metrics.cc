// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <bit>
#include <iterator>
#include <map>
#include <memory>
#include <variant>

#include "base/assert.h"
#include "base/mutex.h"
#include "base/text.h"

namespace vexfs {

unsigned Histogram::bucket_of(std::uint64_t ns) {
  constexpr std::uint64_t kLargest = (std::uint64_t{1} << (kOctaves + kStepsLog2)) - 1;
  if (ns > kLargest) ns = kLargest;
  if (ns < (1u << kStepsLog2)) return static_cast<unsigned>(ns);
  const auto octave = static_cast<unsigned>(std::bit_width(ns)) - 1 - kStepsLog2;
  const auto step = static_cast<unsigned>(ns >> octave) & ((1u << kStepsLog2) - 1);
  return ((octave + 1) << kStepsLog2) | step;
}

std::uint64_t Histogram::upper_bound(unsigned bucket) {
  if (bucket < (1u << kStepsLog2)) return bucket;
  const unsigned octave = (bucket >> kStepsLog2) - 1;
  const std::uint64_t step = (bucket & ((1u << kStepsLog2) - 1)) + (1u << kStepsLog2);
  return ((step + 1) << octave) - 1;
}

void Histogram::record(std::uint64_t ns) {
  buckets_[bucket_of(ns)].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(ns, std::memory_order_relaxed);
}

std::uint64_t Histogram::quantile_ns(double q) const {
  // Two passes over live counts; what arrives between them can only lower the answer's rank.
  std::uint64_t total = 0;
  for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
  if (total == 0) return 0;
  auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total));
  if (rank >= total) rank = total - 1;
  for (unsigned i = 0; i < kBuckets; ++i) {
    const std::uint64_t here = buckets_[i].load(std::memory_order_relaxed);
    if (rank < here) return upper_bound(i);
    rank -= here;
  }
  return upper_bound(kBuckets - 1);
}

namespace metrics {
namespace {

using Metric =
    std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

struct Family {
  std::string help;
  std::map<std::string, Metric, std::less<>> by_labels;
};

struct Registry {
  Mutex mutex;
  std::map<std::string, Family, std::less<>> families GUARDED_BY(mutex);
};

// Never destroyed: threads may still count while the program ends.
Registry& registry() {
  static Registry& the_one = *new Registry;
  return the_one;
}

template <class T>
T& find_or_make(std::string_view name, std::string_view help, std::string_view labels) {
  Registry& all = registry();
  Lock lock(all.mutex);
  auto family = all.families.find(name);
  if (family == all.families.end())
    family = all.families.emplace(std::string(name), Family{std::string(help), {}}).first;
  auto& by_labels = family->second.by_labels;
  auto metric = by_labels.find(labels);
  if (metric == by_labels.end())
    metric = by_labels.emplace(std::string(labels), std::make_unique<T>()).first;
  auto* found = std::get_if<std::unique_ptr<T>>(&metric->second);
  VEXFS_ASSERT(found != nullptr);
  return **found;
}

struct Quantile {
  const char* label;
  double q;
};
constexpr Quantile kQuantiles[] = {{"0.5", .5}, {"0.95", .95}, {"0.99", .99}, {"0.999", .999}};

double seconds(std::uint64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}

using Out = std::back_insert_iterator<std::string>;

struct Prometheus {
  Out out;
  std::string_view name, labels;
  std::string braces() const { return labels.empty() ? "" : format("{{{}}}", labels); }
  void operator()(const std::unique_ptr<Counter>& m) const {
    format_to(out, "{}{} {}\n", name, braces(), m->value());
  }
  void operator()(const std::unique_ptr<Gauge>& m) const {
    format_to(out, "{}{} {}\n", name, braces(), m->value());
  }
  void operator()(const std::unique_ptr<Histogram>& m) const {
    const char* comma = labels.empty() ? "" : ",";
    for (const Quantile& each : kQuantiles)
      format_to(out, "{}{{{}{}quantile=\"{}\"}} {}\n", name, labels, comma, each.label,
                seconds(m->quantile_ns(each.q)));
    format_to(out, "{}_sum{} {}\n", name, braces(), seconds(m->sum_ns()));
    format_to(out, "{}_count{} {}\n", name, braces(), m->count());
  }
};

const char* kind_of(const Metric& metric) {
  constexpr const char* kKinds[] = {"counter", "gauge", "summary"};
  return kKinds[metric.index()];
}

struct ForPeople {
  Out out;
  std::string title;
  static double us(std::uint64_t ns) { return static_cast<double>(ns) * 1e-3; }
  void operator()(const std::unique_ptr<Counter>& m) const {
    if (m->value() != 0) format_to(out, "{:<58} {:>14}\n", title, m->value());
  }
  void operator()(const std::unique_ptr<Gauge>& m) const {
    if (m->value() != 0) format_to(out, "{:<58} {:>14}\n", title, m->value());
  }
  void operator()(const std::unique_ptr<Histogram>& m) const {
    if (m->count() == 0) return;
    format_to(out, "{:<58} {:>14}  p50 {:.1f} us  p95 {:.1f}  p99 {:.1f}  p99.9 {:.1f}\n", title,
              m->count(), us(m->quantile_ns(.5)), us(m->quantile_ns(.95)), us(m->quantile_ns(.99)),
              us(m->quantile_ns(.999)));
  }
};

}  // namespace

Counter& counter(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make<Counter>(name, help, labels);
}
Gauge& gauge(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make<Gauge>(name, help, labels);
}
Histogram& histogram(std::string_view name, std::string_view help, std::string_view labels) {
  return find_or_make<Histogram>(name, help, labels);
}

std::string prometheus() {
  std::string text;
  Registry& all = registry();
  Lock lock(all.mutex);
  for (const auto& [name, family] : all.families) {
    format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", name, family.help, name,
              kind_of(family.by_labels.begin()->second));
    for (const auto& [labels, metric] : family.by_labels)
      std::visit(Prometheus{std::back_inserter(text), name, labels}, metric);
  }
  return text;
}

std::string for_people() {
  std::string text;
  Registry& all = registry();
  Lock lock(all.mutex);
  for (const auto& [name, family] : all.families)
    for (const auto& [labels, metric] : family.by_labels)
      std::visit(ForPeople{std::back_inserter(text), format("{} {}", name, labels)}, metric);
  return text;
}

}  // namespace metrics
}  // namespace vexfs
