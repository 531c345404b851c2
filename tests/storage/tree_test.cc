// SPDX-License-Identifier: Apache-2.0
// Goal: a tree holds what a map holds, in whatever order keys come and go; sorted input leaves
// full pages; a scan is right whatever changes between its pages.
// Method: one tree on memory without log and checkpoints; runs of rising keys, random ones and
// erases against std::map, printed seeds; pages counted.
#include "storage/btree.h"

#include <doctest/doctest.h>

#include <map>

#include "storage/memory_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/btree");

namespace {

constexpr std::uint64_t kBlocks = (std::uint64_t{128} << 20) / kBlockBytes;
using Pairs = std::map<std::string, std::string>;

class TreeAlone {
 public:
  TreeAlone() { tree_.open({}, 1); }
  void put(const std::string& key, const std::string& value) {
    const SharedLatchWrite latch(tree_.latch());
    prepare(key, false);
    tree_.put(as_bytes(key), as_bytes(value));
  }
  void erase(const std::string& key) {
    const SharedLatchWrite latch(tree_.latch());
    prepare(key, true);
    if (tree_.erase(as_bytes(key))) tree_.rebalance(as_bytes(key));
  }
  // As a checkpoint does, but that nothing is written: every page is copied when it changes next.
  // How many pages had changed.
  std::size_t freeze() {
    frozen_.push_back(tree_.freeze(++generation_));
    return frozen_.back().pages.size();
  }
  BTree& tree() { return tree_; }
  Pairs pairs() {
    Pairs all;
    REQUIRE(tree_.scan(
        {}, {},
        [&](Bytes key, Bytes value) {
          REQUIRE((all.empty() || all.rbegin()->first < as_text(key)));
          all.emplace(as_text(key), as_text(value));
          return true;
        },
        Wait::allowed));
    return all;
  }

 private:
  void prepare(const std::string& key, bool for_erase) UNCHECKED {
    PageWait::Missing missing;
    REQUIRE(tree_.prepare(as_bytes(key), for_erase, Claim::ordinary, missing) == BTree::Ready::yes);
  }
  MemoryDevice device_{kBlocks * kBlockBytes};
  PageCache cache_{device_, kBlocks* kBlockBytes};
  SpaceMap space_{64, kBlocks, 1};
  BTree tree_{Tree::meta, cache_, space_};
  std::uint64_t generation_ = 1;
  std::vector<BTree::Frozen> frozen_;
};

std::string numbered(std::uint64_t number) {
  return std::string(as_text(Key().u64(number)));
}

}  // namespace

TEST_CASE("runs of rising keys, random keys and erases leave what a map has") {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    CAPTURE(seed);
    Rng rng(seed);
    TreeAlone alone;
    Pairs model;
    for (unsigned phase = 0; phase < 60; ++phase) {
      const std::uint64_t start = rng() % 50'000;
      const unsigned kind = rng() % 4, count = static_cast<unsigned>(rng() % 400);
      for (unsigned i = 0; i < count; ++i) {
        // Two runs at once, one far from the other; falling; at random.
        const std::uint64_t number = kind == 0   ? start + i
                                     : kind == 1 ? (i % 2 == 0 ? start + i : 90'000 + i)
                                     : kind == 2 ? start + count - i
                                                 : rng() % 50'000;
        const std::string key = numbered(number);
        if (phase % 3 == 2 && rng() % 4 != 0) {
          alone.erase(key);
          model.erase(key);
        } else {
          const std::string value = random_bytes(rng, random_size(rng));
          alone.put(key, value);
          model[key] = value;
        }
      }
      if (phase % 7 == 6) alone.freeze();
      if (phase % 10 == 9) REQUIRE(alone.pairs() == model);
    }
    CHECK(alone.pairs() == model);
    for (const auto& [key, expected] : model) {
      std::string value;
      REQUIRE(alone.tree().get(as_bytes(key), value, Wait::allowed));
      REQUIRE(value == expected);
    }
    while (!model.empty()) {
      const auto victim = model.lower_bound(numbered(rng() % 90'000));
      if (victim == model.end()) break;
      alone.erase(victim->first);
      model.erase(victim);
    }
    CHECK(alone.pairs() == model);
  }
}

TEST_CASE("sorted input leaves full pages, into an empty tree and into any gap") {
  constexpr unsigned kPairs = 20'000;
  const std::string value(100, 'v');
  const unsigned full = kPairs * (8 + 100 + 10) / PageView::kRoom;
  for (const bool gap : {false, true}) {
    CAPTURE(gap);
    TreeAlone alone;
    // Keys around the gap: one page of them above.
    for (unsigned i = 0; i < 50 && gap; ++i) {
      alone.put(numbered(i), value);
      alone.put(numbered(1'000'000 + i), value);
    }
    for (unsigned i = 0; i < kPairs; ++i) alone.put(numbered(1000 + i), value);
    CHECK(alone.pairs().size() == kPairs + (gap ? 100 : 0));
    CHECK(alone.freeze() < full + full / 20 + 8);
  }
}

TEST_CASE("a scan sees what stays, once and in order, whatever changes between its pages") {
  for (const unsigned seed : {11u, 12u, 13u}) {
    CAPTURE(seed);
    Rng rng(seed);
    TreeAlone alone;
    constexpr std::uint64_t kNumbers = 6000;
    // Even keys stay, odd ones come and go.
    for (std::uint64_t i = 0; i < kNumbers; ++i)
      alone.put(numbered(i), std::string(rng() % 200, 'v'));
    for (const unsigned every : {1u, 7u, 300u, 100'000u}) {
      CAPTURE(every);
      std::uint64_t seen_even = 0, visited = 0;
      std::string last;
      const std::uint64_t from = rng() % 500 * 2, to = kNumbers - rng() % 500 * 2;
      REQUIRE(alone.tree().scan(
          as_bytes(numbered(from)), as_bytes(numbered(to)),
          [&](Bytes key, Bytes) {
            REQUIRE(last < as_text(key));
            last = as_text(key);
            if (KeyReader(key).u64() % 2 == 0) ++seen_even;
            if (++visited % every == 0) {
              const std::string odd = numbered(rng() % (kNumbers / 2) * 2 + 1);
              if (rng() % 2 == 0)
                alone.erase(odd);
              else
                alone.put(odd, std::string(rng() % 200, 'w'));
              if (rng() % 200 == 0) alone.freeze();
            }
            return true;
          },
          Wait::allowed));
      CHECK(seen_even == (to - from) / 2);
    }
  }
}

TEST_SUITE_END();
