// SPDX-License-Identifier: Apache-2.0
#include "base/memory_governor.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace vexfs {

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
// Percent of the limit.
constexpr std::array<unsigned, 4> kFrom = {0, 70, 85, 95};  // by MemoryLevel
constexpr unsigned kEndsBelow = 5, kGoal = 60, kGrowTo = kFrom[1] - kEndsBelow;
// However short the machine is, of the budget.
constexpr std::size_t kLeastPart = 8;
// Of its share, what a consumer gets back at once.
constexpr std::size_t kGrowSteps = 4;
constexpr std::chrono::milliseconds kCalmTick{1000}, kShortTick{250};

struct GovernorMetrics {
  Gauge& budget = metrics::gauge("vexfs_memory_budget_bytes", "What -o memory allows");
  Gauge& limit = metrics::gauge("vexfs_memory_limit_bytes",
                                "The budget, or less while the machine is short of memory");
  Gauge& level = metrics::gauge("vexfs_memory_level",
                                "0 calm, 1 pools are trimmed, 2 caches shrink, 3 writers wait");
};
GovernorMetrics& figures() {
  static GovernorMetrics& all = *new GovernorMetrics;
  return all;
}

std::size_t percent_of(std::size_t bytes, unsigned percent) {
  return bytes / 100 * percent;
}

MemoryLevel level_of(std::size_t sum, std::size_t limit, MemoryLevel before) {
  auto level = MemoryLevel::calm;
  for (const auto each : {MemoryLevel::trim, MemoryLevel::shrink, MemoryLevel::hold}) {
    const unsigned from = kFrom[static_cast<unsigned>(each)] - (each <= before ? kEndsBelow : 0);
    if (sum >= percent_of(limit, from)) level = each;
  }
  return level;
}

}  // namespace

MemoryShares memory_shares(std::size_t budget) {
  constexpr std::size_t kDirtyMax = 256 * kMiB;  // more would only make the next fsync long
  return {.page_cache = budget / 2,
          .dirty_data = std::min(budget / 4, kDirtyMax),
          .read_ahead = budget / 8};
}

std::size_t default_memory_budget(const MemoryFigures& figures) {
  return std::clamp(std::min(figures.total, figures.available) / 4, 64 * kMiB, 1024 * kMiB);
}

MemoryGovernor::MemoryGovernor(std::size_t budget, Source source)
    : budget_(budget), source_(std::move(source)) {
  figures().budget.set(static_cast<std::int64_t>(budget));
}

MemoryGovernor::~MemoryGovernor() {
  stop();
}

void MemoryGovernor::add(MemoryConsumer consumer) {
  const std::string label = format("consumer=\"{}\"", consumer.name);
  const auto behind = std::ranges::upper_bound(
      consumers_, consumer.gives_at, {}, [](const Held& each) { return each.consumer.gives_at; });
  const std::size_t share = consumer.share;
  const auto at = behind - consumers_.begin();
  std::vector<Held> rest;  // metrics are references: nothing is assigned
  rest.reserve(consumers_.size() + 1);
  std::move(consumers_.begin(), behind, std::back_inserter(rest));
  rest.push_back({.consumer = std::move(consumer),
                  .limit = share,
                  .used = metrics::gauge("vexfs_memory_used_bytes", "Memory in use", label),
                  .shrinks = metrics::counter("vexfs_memory_shrinks_total",
                                              "Times that memory was given back", label)});
  std::move(consumers_.begin() + at, consumers_.end(), std::back_inserter(rest));
  consumers_.swap(rest);
}

void MemoryGovernor::start() {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "memory");
}

void MemoryGovernor::stop() {
  {
    Lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void MemoryGovernor::run() {
  Lock lock(mutex_);
  while (!stopping_) {
    mutex_.unlock();
    const MemoryLevel level = tick();
    mutex_.lock();
    if (!stopping_) wake_.wait_for(mutex_, level == MemoryLevel::calm ? kCalmTick : kShortTick);
  }
}

MemoryLevel MemoryGovernor::tick() {
  std::size_t sum = 0;
  for (Held& each : consumers_) {
    const std::size_t used = each.consumer.used();
    each.used.set(static_cast<std::int64_t>(used));
    sum += used;
  }
  const std::size_t more = source_().available / 2;
  const std::size_t limit = std::max(budget_ / kLeastPart, sum + std::min(more, budget_));
  const std::size_t bounded = std::min(limit, budget_);
  const MemoryLevel before = std::exchange(level_, level_of(sum, bounded, level_));
  if (level_ == MemoryLevel::hold && before != level_)
    log(Level::warn, "memory", "writers wait: memory is short",
        {{"used", std::uint64_t{sum}},
         {"limit", std::uint64_t{bounded}},
         {"budget", std::uint64_t{budget_}}});
  figures().limit.set(static_cast<std::int64_t>(bounded));
  figures().level.set(static_cast<std::int64_t>(level_));
  if (level_ == MemoryLevel::calm)
    grow(sum, percent_of(bounded, kGrowTo));
  else
    give(sum, percent_of(bounded, kGoal));
  return level_;
}

void MemoryGovernor::give(std::size_t sum, std::size_t goal) {
  for (Held& each : consumers_) {
    if (each.consumer.gives_at > level_ || sum <= goal) return;
    if (!each.consumer.hold_to) continue;
    const std::size_t used = each.consumer.used();
    const std::size_t to = std::max(each.consumer.floor, used - std::min(used, sum - goal));
    if (to >= each.limit && used <= each.limit) continue;
    each.limit = std::min(each.limit, to);
    each.consumer.hold_to(each.limit);  // also where it holds little: it must not take more now
    if (used <= each.limit) continue;
    each.shrinks.add();
    const std::size_t left = each.consumer.used();
    sum -= std::min(sum, used - std::min(used, left));
  }
}

// Writers first: a cache can wait.
void MemoryGovernor::grow(std::size_t sum, std::size_t goal) {
  for (auto each = consumers_.rbegin(); each != consumers_.rend(); ++each) {
    const std::size_t share = each->consumer.share;
    if (!each->consumer.hold_to || each->limit >= share || sum >= goal) continue;
    const std::size_t step = std::min({share - each->limit, share / kGrowSteps + 1, goal - sum});
    each->limit += step;
    sum += step;
    each->consumer.hold_to(each->limit);
  }
}

}  // namespace vexfs
