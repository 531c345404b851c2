// SPDX-License-Identifier: Apache-2.0
#include "fs/answer_cache.h"

#include <algorithm>

#include "base/clock.h"

namespace vexfs {

namespace {
constexpr std::uint64_t kKeepNs = 2'000'000'000;
}

std::optional<std::string> AnswerCache::find(const Caller& caller, Ino ino, std::string_view name,
                                             std::size_t bytes_asked) {
  const std::uint64_t now = monotonic_ns();
  Lock lock(mutex_);
  while (!kept_.empty() && kept_.front().until_ns < now) kept_.pop_front();
  const auto found = std::ranges::find_if(kept_, [&](const Kept& kept) {
    return kept.ino == ino && kept.pid == caller.pid && kept.uid == caller.uid && kept.name == name;
  });
  if (found == kept_.end()) return std::nullopt;
  if (bytes_asked < found->value.size()) return found->value;  // a probe, or ERANGE: keep it
  std::string value = std::move(found->value);
  kept_.erase(found);
  return value;
}

void AnswerCache::keep(const Caller& caller, Ino ino, std::string_view name, std::string value) {
  Lock lock(mutex_);
  if (kept_.size() >= kKeptMax) kept_.pop_front();
  kept_.push_back({.ino = ino,
                   .name = std::string(name),
                   .uid = caller.uid,
                   .pid = caller.pid,
                   .until_ns = monotonic_ns() + kKeepNs,
                   .value = std::move(value)});
}

}  // namespace vexfs
