// SPDX-License-Identifier: Apache-2.0
// The cache of tree pages over numbered blocks, beside LRU, CLOCK and the ideal.
//   cache_bench [SECONDS_PER_HIT_TEST]
//
// Hit ratios: Zipf 0.99 over 1 M blocks, room for 10 % and for 30 %, 10 M requests of warm-up, then
// 10 M that count; the same with a ranking that changes (two random ranks swap every 50 requests:
// as many swaps in 25 M requests as half the blocks), and with every third request a scan's. All
// caches get the same requests. `ideal` keeps the most wanted blocks from the start.
// Then cached reads on 1, 2 and 4 threads: per second, and the time of one. One line a result. A
// hit is checked to be the block asked for.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/text.h"
#include "tests/support/read_through.h"
#include "tests/support/replacement.h"

using namespace vexfs;

namespace {

constexpr std::uint32_t kBlocks = 1'000'000;
constexpr std::uint64_t kWarmUp = 10'000'000, kCounted = 10'000'000;

struct Trace {
  const char* name;
  Requests::Options options;
};

void compare(const Trace& trace, std::size_t capacity) {
  Requests requests(trace.options);
  ReadThrough ours(capacity);
  LruCache lru(requests.blocks(), capacity);
  ClockCache clock(requests.blocks(), capacity);
  std::uint64_t hits = 0, lru_hits = 0, clock_hits = 0, asked = 0;
  for (std::uint64_t i = 0; i < kWarmUp + kCounted; ++i) {
    bool scan = false;
    const std::uint32_t block = requests.next(scan);
    const bool hit = ours.read(block), in_lru = lru.read(block), in_clock = clock.read(block);
    if (i < kWarmUp || scan) continue;
    ++asked;
    hits += hit;
    lru_hits += in_lru;
    clock_hits += in_clock;
  }
  const auto ratio = [&](std::uint64_t of) {
    return static_cast<double>(of) / static_cast<double>(asked);
  };
  const double ideal = requests.ideal(capacity);
  const CacheStats stats = ours.shards().stats();
  VEXFS_ASSERT(stats.entries == stats.entries_max);
  std::puts(format("cache_bench hits trace={} room={}% ours={:.4f} of_ideal={:.3f} ideal={:.4f} "
                   "lru={:.4f} clock={:.4f} window={:.3f} admissions={} rejections={}",
                   trace.name, capacity * 100 / kBlocks, ratio(hits), ratio(hits) / ideal, ideal,
                   ratio(lru_hits), ratio(clock_hits),
                   static_cast<double>(stats.window_max) / static_cast<double>(stats.entries_max),
                   stats.admissions, stats.rejections)
                .c_str());
}

// Every block is here and is read, by as many threads.
void time_hits(unsigned threads, double seconds) {
  constexpr std::uint32_t kHeld = 50'000;
  ReadThrough cache(2 * kHeld);
  for (std::uint32_t block = 0; block < kHeld; ++block) cache.read(block);
  std::atomic<bool> stop{false};
  std::vector<std::vector<std::uint64_t>> took(threads);
  std::vector<std::uint64_t> counts(threads);
  std::vector<std::thread> running;
  const std::uint64_t start = monotonic_ns();
  for (unsigned t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      std::mt19937 random(t);
      constexpr unsigned kPerLook = 256;
      while (!stop.load(std::memory_order_relaxed)) {
        for (unsigned i = 1; i < kPerLook; ++i) VEXFS_ASSERT(cache.read(random() % kHeld));
        const std::uint64_t begin = monotonic_ns();
        VEXFS_ASSERT(cache.read(random() % kHeld));
        took[t].push_back(monotonic_ns() - begin);
        counts[t] += kPerLook;
      }
    });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : running) thread.join();
  const auto elapsed = static_cast<double>(monotonic_ns() - start);
  std::uint64_t count = 0;
  for (unsigned t = 0; t < threads; ++t) count += counts[t];
  for (unsigned t = 1; t < threads; ++t)
    took[0].insert(took[0].end(), took[t].begin(), took[t].end());
  std::ranges::sort(took[0]);
  const auto at = [&](double q) {
    return took[0][static_cast<std::size_t>(q * static_cast<double>(took[0].size() - 1))];
  };
  std::puts(format("cache_bench cached_read threads={} ops_per_s={:.0f} mean_ns={:.0f} p50_ns={} "
                   "p99_ns={} p999_ns={}",
                   threads, static_cast<double>(count) * 1e9 / elapsed,
                   elapsed * threads / static_cast<double>(count), at(.5), at(.99), at(.999))
                .c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  for (const unsigned threads : {1u, 2u, 4u}) time_hits(threads, seconds);
  const Trace traces[] = {
      {"zipf", {.blocks = kBlocks}},
      {"zipf_shifting", {.blocks = kBlocks, .shift_every = 50}},
      {"zipf_and_scan", {.blocks = kBlocks, .scan_every = 3, .scan_blocks = 8 * kBlocks}}};
  for (const Trace& trace : traces)
    for (const std::size_t capacity : {kBlocks / 10, kBlocks * 3 / 10}) compare(trace, capacity);
}
