// SPDX-License-Identifier: Apache-2.0
#include "storage/check_report.h"

#include <algorithm>

#include "base/text.h"

namespace vexfs {

std::string_view name_of(Severity severity) {
  constexpr std::array<std::string_view, 3> kNames = {"note", "warning", "error"};
  return kNames[static_cast<unsigned>(severity)];
}

std::string_view name_of(Tree tree) {
  constexpr std::array<std::string_view, kTreeCount> kNames = {
      "inode",  "dentry", "xattr",      "extent", "backref",  "free_space",
      "intent", "vector", "collection", "orphan", "snapshot", "refcount",
      "queue",  "chunk",  "space",      "meta",   "rider"};
  return kNames[static_cast<unsigned>(tree) % kTreeCount];
}

void CheckReport::add(Finding finding) {
  Lock lock(mutex_);
  ++by_severity_[static_cast<unsigned>(finding.severity)];
  if (findings_.size() < findings_max_) findings_.push_back(std::move(finding));
}

void CheckReport::take(CheckReport& other) {
  counts = other.counts;
  std::vector<Finding> findings = other.findings();
  std::array<std::uint64_t, 3> by_severity;
  for (unsigned i = 0; i < by_severity.size(); ++i)
    by_severity[i] = other.found(Severity{static_cast<std::uint8_t>(i)});
  Lock lock(mutex_);
  findings_ = std::move(findings);
  by_severity_ = by_severity;
}

std::vector<Finding> CheckReport::findings() const {
  Lock lock(mutex_);
  std::vector<Finding> sorted = findings_;
  std::ranges::stable_sort(sorted, [](const Finding& a, const Finding& b) {
    return a.severity != b.severity ? a.severity > b.severity : a.where < b.where;
  });
  return sorted;
}

std::uint64_t CheckReport::found(Severity severity) const {
  Lock lock(mutex_);
  return by_severity_[static_cast<unsigned>(severity)];
}

bool CheckReport::has(std::string_view code) const {
  Lock lock(mutex_);
  return std::ranges::any_of(findings_, [&](const Finding& each) { return each.code == code; });
}

std::string CheckReport::text() const {
  std::string text;
  for (const Finding& each : findings())
    text += format("{} {}: {}: {}\n", name_of(each.severity), each.code, each.where, each.sentence);
  return text;
}

}  // namespace vexfs
