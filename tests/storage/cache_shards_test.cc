// SPDX-License-Identifier: Apache-2.0
// Goal: the cache gives out what was asked for, keeps what is referred to and stays in its
// budget, with any number of threads. Method: random calls beside std::map, then threads.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/read_through.h"

using namespace vexfs;

namespace {

using Ref = CacheShards::Ref;

// A look from inside a latch, as trees do it.
class Latched {
 public:
  explicit Latched(CacheShards& cache) : cache_(cache) {}
  const CacheEntry* find(std::uint64_t address, std::uint64_t birth) {
    SharedLatchRead lock(latch_);
    const CacheEntry* const found = cache_.find(address, birth);
    if (found != nullptr) REQUIRE((found->address == address && found->birth == birth));
    return found;
  }

 private:
  CacheShards& cache_;
  SharedLatch latch_{Rank::tree, Channel::pages};
};

Ref entry(std::uint64_t address, std::uint64_t birth, bool upper = false) {
  return Ref(new CacheEntry(address, birth, upper));
}

}  // namespace

TEST_CASE("what is found is what was put in, of that birth, and what is referred to stays") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    CacheShards cache(320);
    Latched latched(cache);
    std::map<std::uint64_t, Ref> kept;  // by address: the youngest, all of them referred to
    for (int step = 0; step < 20'000; ++step) {
      const std::uint64_t address = random() % 2000;
      const auto mine = kept.find(address);
      switch (random() % 8) {
        case 0: {
          const std::uint64_t birth = 1 + random() % 8;
          const Ref put = entry(address, birth, random() % 16 == 0);
          const Ref there = cache.insert(put);
          REQUIRE(there->address == address);
          if (mine != kept.end() && mine->second->birth >= birth) {
            REQUIRE(&*there == &*mine->second);
          } else {
            // Nobody kept the one before, so it may be here or not.
            REQUIRE(there->birth >= birth);
            if (random() % 4 == 0 || mine != kept.end()) kept[address] = there;
          }
          break;
        }
        case 1:
          if (mine == kept.end()) break;
          if (random() % 2 == 0) cache.drop(*mine->second);
          kept.erase(mine);
          break;
        case 2:
          if (random() % 64 == 0) cache.resize(160 + random() % 640);
          break;
        default: {
          const std::uint64_t birth = mine == kept.end() ? 1 + random() % 8 : mine->second->birth;
          const CacheEntry* const found = latched.find(address, birth);
          if (mine != kept.end()) REQUIRE(found == &*mine->second);
        }
      }
    }
    cache.resize(16);
    CHECK(cache.stats().entries >= kept.size());
    for (const auto& [address, mine] : kept) REQUIRE(latched.find(address, mine->birth) == &*mine);
    kept.clear();
    cache.resize(32);
    for (std::uint64_t i = 0; i < 2000; ++i) cache.insert(entry(5000 + i, 1));
    CHECK(cache.stats().entries <= 32);
  }
}

TEST_CASE("what was found counts as a hit, what was not as a miss, and all that went is counted") {
  ReadThrough cache(160);
  constexpr std::uint32_t kBlocks = 1000;
  for (int round = 0; round < 3; ++round)
    for (std::uint32_t block = 0; block < kBlocks; ++block) cache.read(block);
  const CacheStats stats = cache.shards().stats();
  CHECK(stats.misses <= 3 * kBlocks);
  CHECK(stats.misses > 2 * kBlocks);  // a loop over more than the cache
  CHECK(stats.entries == 160);
  CHECK(stats.misses - stats.evictions == stats.entries);
  CHECK(stats.rejections > 0);
  CHECK(stats.rejections + stats.admissions <= stats.evictions);
}

TEST_CASE("a scan of any length evicts no favoured entry") {
  ReadThrough cache(1600);
  constexpr std::uint32_t kUpper = 400;
  for (std::uint32_t block = 0; block < kUpper; ++block) cache.read(block, true);
  for (std::uint32_t block = 1000; block < 50'000; ++block) {
    cache.read(block);
    cache.read(block);  // twice, as a copying program may
  }
  for (std::uint32_t block = 0; block < kUpper; ++block) CHECK(cache.shards().holds(block, 1));
  // More of them than half of the cache are ordinary entries again.
  for (std::uint32_t block = 100'000; block < 110'000; ++block) cache.read(block, true);
  CHECK(cache.shards().stats().upper <= 800);
  CHECK(cache.shards().stats().entries <= 1600);
}

TEST_CASE("what comes only if there is room evicts nobody") {
  CacheShards cache(160);
  unsigned taken = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) taken += cache.insert_if_room(entry(i, 1));
  CHECK(taken == 160);
  CHECK(cache.stats().evictions == 0);
  for (std::uint64_t i = 0; i < 10; ++i)
    if (cache.holds(i, 1)) CHECK(cache.insert_if_room(entry(i, 1)));
}

TEST_CASE("threads read, refer and resize at once, and the budget holds in the end") {
  constexpr std::uint64_t kSeed = 3;
  CAPTURE(kSeed);
  CacheShards cache(800);
  std::vector<std::thread> threads;
  std::atomic<unsigned> wrong{0};
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937_64 random(kSeed + t);
      SharedLatch latch(Rank::tree, Channel::pages);  // one of several trees
      std::vector<Ref> held(16);
      for (int step = 0; step < 40'000; ++step) {
        const std::uint64_t address = random() % 3000, birth = 1 + address % 5;
        bool hit = false;
        {
          SharedLatchRead lock(latch);
          const CacheEntry* const found = cache.find(address, birth);
          hit = found != nullptr;
          wrong += hit && (found->address != address || found->birth != birth);
        }
        if (hit) continue;
        Ref put = cache.insert(entry(address, birth, address % 50 == 0));
        wrong += put->address != address || put->birth != birth;
        if (random() % 100 == 0) cache.drop(*put);
        if (random() % 5000 == 0) cache.resize(400 + random() % 800);
        held[random() % held.size()] = std::move(put);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  cache.resize(480);
  CHECK(cache.stats().entries <= 480);
  CHECK(cache.stats().misses < 160'000);
}
