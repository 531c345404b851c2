// SPDX-License-Identifier: Apache-2.0
// Goal: who stays in the cache is who should. Method: the policy beside a naive model of its
// rules on random operations, the sketch beside exact counts, and hit ratios beside LRU, CLOCK
// and the ideal on the same requests.
#include <doctest/doctest.h>

#include <array>
#include <list>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "storage/frequency_sketch.h"
#include "storage/tiny_lfu.h"
#include "tests/support/read_through.h"
#include "tests/support/replacement.h"

using namespace vexfs;

namespace {

using Segment = TinyLfu::Segment;

std::uint64_t mixed(std::uint64_t number) {
  number = (number ^ number >> 31) * 0x7FB5D329728EA185u;
  number = (number ^ number >> 27) * 0x81DADEF4BC2DD44Du;
  return number ^ number >> 33;
}

// The rules of TinyLfu over std::list, youngest first, every step looking at everything.
class NaiveLfu {
 public:
  explicit NaiveLfu(std::size_t room) : capacity(room), sketch(room) {}

  std::size_t capacity;
  unsigned share = TinyLfu::kShareAll / 100;
  FrequencySketch sketch;
  std::set<int> kept;  // may not go

  Segment where(int number) const {
    for (const auto& [segment, members] : lists)
      for (const Entry& entry : members)
        if (entry.number == number) return segment;
    return Segment::none;
  }
  void hit(int number) {
    Entry& hit = entry(number);
    if (hit.asked < TinyLfu::kAskedMax) ++hit.asked;
  }
  void insert(int number, bool upper) {
    sketch.add(mixed(static_cast<std::uint64_t>(number)));
    lists[upper ? Segment::upper : Segment::window].push_front({.number = number});
    shrink(Segment::upper, capacity / 2);
    if (size() <= capacity && lists[Segment::window].size() > window_max())
      move(oldest(Segment::window), Segment::probation);
  }
  void erase(int number) {
    for (auto& [segment, members] : lists)
      members.remove_if([&](const Entry& entry) { return entry.number == number; });
  }
  int victim() {
    for (int tries = 0; tries < 64; ++tries) {
      const bool ask = tries < 32;
      shrink(Segment::upper, capacity / 2);
      const int wants = candidate(ask);
      const int last = oldest_admitted(ask);
      if (last < 0) return -1;
      const bool admitted = wants < 0 || frequency(wants) > frequency(last);
      const int loser = admitted ? last : wants;
      if (kept.contains(loser)) {
        move(loser, where(loser) == Segment::upper ? Segment::upper : Segment::probation);
        continue;
      }
      if (wants >= 0 && admitted && wants != last) move(wants, Segment::probation);
      return loser;
    }
    return -1;
  }
  std::size_t size() const {
    std::size_t sum = 0;
    for (const auto& [segment, members] : lists) sum += members.size();
    return sum;
  }
  std::vector<int> all() const {
    std::vector<int> numbers;
    for (const Segment in : {Segment::upper, Segment::guarded, Segment::probation, Segment::window})
      if (const auto found = lists.find(in); found != lists.end())
        for (const Entry& entry : found->second) numbers.push_back(entry.number);
    return numbers;
  }

 private:
  struct Entry {
    int number = 0;
    int asked = -1;  // the first use is by who brought it
  };
  Entry& entry(int number) {
    for (auto& [segment, members] : lists)
      for (Entry& entry : members)
        if (entry.number == number) return entry;
    FAIL("no such entry");
    std::abort();
  }
  unsigned frequency(int number) const {
    return sketch.estimate(mixed(static_cast<std::uint64_t>(number)));
  }
  std::size_t window_max() {
    const std::size_t upper = lists[Segment::upper].size();
    return std::max<std::size_t>(
        1, (capacity > upper ? capacity - upper : 0) * share / TinyLfu::kShareAll);
  }
  int oldest(Segment in) { return lists[in].empty() ? -1 : lists[in].back().number; }
  void move(int number, Segment to) {
    const Entry moved = entry(number);
    erase(number);
    lists[to].push_front(moved);
  }
  bool take_asked(int number) {
    const int asked = std::exchange(entry(number).asked, 0);
    for (int i = 0; i < asked; ++i) sketch.add(mixed(static_cast<std::uint64_t>(number)));
    return asked > 0;
  }
  void shrink(Segment from, std::size_t max) {
    for (int steps = 0; steps < 8 && lists[from].size() > max; ++steps) {
      const int last = oldest(from);
      move(last, take_asked(last) ? from : Segment::probation);
    }
  }
  int candidate(bool ask) {
    const std::size_t max = window_max();
    for (int steps = 0; steps < 8 && lists[Segment::window].size() > max + 1; ++steps)
      move(oldest(Segment::window), Segment::probation);
    for (int steps = 0; ask && steps < 8 && lists[Segment::window].size() > max; ++steps) {
      const int last = oldest(Segment::window);
      if (!take_asked(last)) break;
      move(last, Segment::window);
    }
    return lists[Segment::window].size() > max ? oldest(Segment::window) : -1;
  }
  int oldest_admitted(bool ask) {
    for (int steps = 0; ask && steps < 8 && oldest(Segment::probation) >= 0; ++steps) {
      const int last = oldest(Segment::probation);
      if (!take_asked(last)) break;
      move(last, Segment::guarded);
      const std::size_t others = lists[Segment::upper].size() + window_max();
      shrink(Segment::guarded, capacity > others ? (capacity - others) * 4 / 5 : 0);
    }
    for (const Segment in : {Segment::probation, Segment::guarded, Segment::window, Segment::upper})
      if (oldest(in) >= 0) return oldest(in);
    return -1;
  }
  std::map<Segment, std::list<Entry>> lists;
};

template <class Cache>
double hit_ratio(Cache& cache, Requests& requests, unsigned warm_up, unsigned count) {
  std::uint64_t hits = 0, asked = 0;
  for (unsigned i = 0; i < warm_up + count; ++i) {
    bool scan = false;
    const std::uint32_t block = requests.next(scan);
    const bool hit = cache.read(block);
    if (i < warm_up || scan) continue;
    hits += hit;
    ++asked;
  }
  return static_cast<double>(hits) / static_cast<double>(asked);
}

struct Ratios {
  double ours = 0, lru = 0, clock = 0;
};

Ratios ratios(Requests::Options options, std::size_t capacity) {
  constexpr unsigned kWarmUp = 300'000, kCount = 300'000;
  Requests a(options), b(options), c(options);
  ReadThrough ours(capacity);
  LruCache lru(b.blocks(), capacity);
  ClockCache clock(c.blocks(), capacity);
  return {.ours = hit_ratio(ours, a, kWarmUp, kCount),
          .lru = hit_ratio(lru, b, kWarmUp, kCount),
          .clock = hit_ratio(clock, c, kWarmUp, kCount)};
}

constexpr std::uint32_t kBlocks = 30'000;

}  // namespace

TEST_CASE("the policy keeps what its naive model keeps, whatever is asked, kept and resized") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::size_t capacity = 4 + random() % 60;
    TinyLfu policy(capacity);
    NaiveLfu model(capacity);
    constexpr int kNumbers = 150;
    std::array<TinyLfu::Node, kNumbers> nodes;
    for (int i = 0; i < kNumbers; ++i)
      nodes[static_cast<std::size_t>(i)].hash = mixed(static_cast<std::uint64_t>(i));
    const auto may_go = [&](TinyLfu::Node& node) {
      return !model.kept.contains(static_cast<int>(&node - nodes.data()));
    };
    for (int step = 0; step < 5000; ++step) {
      const double skew = static_cast<double>(random() >> 11) * 0x1p-53;
      const int number = static_cast<int>(skew * skew * (kNumbers - 1));
      TinyLfu::Node& node = nodes[static_cast<std::size_t>(number)];
      REQUIRE(node.segment == model.where(number));
      switch (random() % 64) {
        case 0:
          capacity = 4 + random() % 60;
          policy.resize(capacity);
          model.capacity = capacity;
          model.sketch.resize(capacity);
          break;
        case 1:
          model.share = static_cast<unsigned>(random() % (TinyLfu::kShareAll * 3 / 4));
          policy.set_window(model.share);
          break;
        case 2:
          if (!model.kept.insert(number).second) model.kept.erase(number);
          break;
        case 3:
          if (node.segment == Segment::none) break;
          policy.erase(node);
          model.erase(number);
          break;
        default:
          if (node.segment != Segment::none) {
            node.hit();
            model.hit(number);
          } else {
            policy.insert(node, number % 10 == 0);
            model.insert(number, number % 10 == 0);
          }
      }
      while (policy.over()) {
        TinyLfu::Node* const gone = policy.victim(may_go);
        const int expected = model.victim();
        REQUIRE((gone == nullptr ? -1 : static_cast<int>(gone - nodes.data())) == expected);
        if (gone == nullptr) break;
        policy.erase(*gone);
        model.erase(expected);
      }
      REQUIRE(policy.size() == model.size());
    }
    std::vector<int> all;
    policy.visit([&](TinyLfu::Node& node) {
      all.push_back(static_cast<int>(&node - nodes.data()));
      return true;
    });
    CHECK(all == model.all());
  }
}

TEST_CASE("the sketch never counts too little, and rarely too much") {
  constexpr std::uint64_t kSeed = 7;
  CAPTURE(kSeed);
  std::mt19937_64 random(kSeed);
  constexpr unsigned kEntries = 1000;
  FrequencySketch sketch(kEntries);
  std::map<std::uint64_t, unsigned> exact;
  const auto compare = [&] {
    unsigned wrong = 0;
    for (const auto& [number, count] : exact) {
      const unsigned estimate = sketch.estimate(mixed(number));
      REQUIRE(estimate >= std::min(count, FrequencySketch::kCountMax));
      wrong += estimate > std::min(count, FrequencySketch::kCountMax);
    }
    CHECK(wrong < exact.size() / 20);
  };
  // One less than an ageing takes.
  for (unsigned i = 1; i < FrequencySketch::kSampleFactor * kEntries; ++i) {
    const std::uint64_t number = random() % 40 == 0 ? random() % 100 : 1000 + random() % 5000;
    sketch.add(mixed(number));
    ++exact[number];
  }
  compare();
  sketch.resize(4 * kEntries);
  compare();
  sketch.resize(kEntries);
  compare();
  const unsigned before = sketch.estimate(mixed(1));
  sketch.add(mixed(1'000'000));
  CHECK(sketch.estimate(mixed(1)) == before / 2);
}

TEST_CASE("what a thread has read in another cache changes nothing in the next one") {
  const Requests::Options options{.blocks = 3000, .seed = 14};
  std::vector<double> found;
  for (const unsigned before : {0u, 100u, 200u}) {
    ReadThrough other(100);
    for (unsigned i = 0; i < before; ++i) other.read(1);
    Requests requests(options);
    ReadThrough cache(300);
    found.push_back(hit_ratio(cache, requests, 100'000, 100'000));
  }
  CHECK(found[0] == found[1]);
  CHECK(found[0] == found[2]);
}

TEST_CASE("on Zipf requests the cache is near the ideal and better than LRU and CLOCK") {
  for (const std::size_t capacity : {kBlocks / 10, kBlocks * 3 / 10}) {
    CAPTURE(capacity);
    const Requests::Options options{.blocks = kBlocks, .seed = 11};
    const Ratios found = ratios(options, capacity);
    CHECK(found.ours >= 0.97 * Requests(options).ideal(capacity));
    CHECK(found.ours > found.lru);
    CHECK(found.ours > found.clock);
  }
}

TEST_CASE("when the wanted blocks change, the cache follows at least as well as LRU") {
  const Ratios found = ratios({.blocks = kBlocks, .shift_every = 50, .seed = 12}, kBlocks / 10);
  CHECK(found.ours >= found.lru);
  CHECK(found.ours >= found.clock);
}

TEST_CASE("a scan beside Zipf requests costs LRU hits, not this cache") {
  const std::size_t capacity = kBlocks / 10;
  const Requests::Options options{
      .blocks = kBlocks, .scan_every = 3, .scan_blocks = 10 * kBlocks, .seed = 13};
  const Ratios found = ratios(options, capacity);
  CHECK(found.ours >= found.lru + 0.05);
  CHECK(found.ours >= 0.93 * Requests(options).ideal(capacity));
}
