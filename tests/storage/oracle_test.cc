// SPDX-License-Identifier: Apache-2.0
// Goal: a volume holds what std::map and LMDB hold after the same transactions, for as long as one
// cares to run it: over checkpoints, remounts and kills, with a cache of a few pages, and on a
// volume that is nearly full.
// Method: random transactions from a printed seed on all of them; points, ranges and now and then
// everything compared. $VEXFS_ORACLE_SECONDS makes it last.
#include <doctest/doctest.h>

#include <chrono>
#include <map>

#include "base/log.h"
#include "storage/memory_device.h"
#include "tests/storage/oracle_lmdb.h"
#include "tests/storage/shared_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/oracle");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
constexpr VolumeOptions kTinyCache{.cache_bytes = std::size_t{2} << 20};
constexpr std::array kTrees = {Tree::inode, Tree::dentry, Tree::meta};
using Pairs = std::map<std::string, std::string, std::less<>>;

class Comparison {
 public:
  Comparison(unsigned seed, std::uint64_t left_blocks) : rng_(seed) {
    REQUIRE(Volume::format(disk_, kFormat));
    open();
    // What fills the volume is adopted and named, so that it stays over remounts.
    for (std::uint64_t free; left_blocks != 0 && (free = volume_->space().free) > left_blocks;) {
      const auto wanted = std::min<std::uint64_t>(kExtentBlocksMax, free - left_blocks);
      const auto extent = volume_->allocate(static_cast<std::uint32_t>(wanted));
      if (!extent) break;
      Transaction transaction;
      transaction.adopt(*extent);
      REQUIRE(volume_->commit(transaction, {.freeing = true}));
    }
  }

  void step() {
    const std::uint64_t what = rng_() % 400;
    if (what == 0) return remount();
    if (what == 1) return REQUIRE_OK(volume_->checkpoint());
    if (what < 100) return look();
    change();
  }
  void compare_all() {
    for (std::size_t t = 0; t < kTrees.size(); ++t) {
      Pairs found;
      REQUIRE_OK(volume_->scan(kTrees[t], {}, {}, [&](Bytes key, Bytes value) {
        found.emplace_hint(found.end(), as_text(key), as_text(value));
        return true;
      }));
      REQUIRE((found == pairs_[t]));
    }
    const std::string difference = lmdb_.difference(*volume_, kTrees);
    REQUIRE(difference == "");
  }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t remounts() const { return remounts_; }
  void close() { REQUIRE(volume_->close()); }

 private:
  static void REQUIRE_OK(const Result<>& result) { REQUIRE(result); }

  void open() {
    auto opened = Volume::open(std::make_unique<SharedDevice>(disk_), kTinyCache);
    REQUIRE(opened);
    volume_ = std::move(*opened);
  }
  // Closed, or killed after a sync.
  void remount() {
    ++remounts_;
    if (rng_() % 2 == 0)
      REQUIRE(volume_->close());
    else
      REQUIRE(volume_->sync(volume_->last_lsn()));
    volume_.reset();
    open();
    compare_all();
  }
  void change() {
    struct Write {
      std::size_t tree = 0;
      std::string key;
      std::optional<std::string> value;
    };
    std::vector<Write> writes;
    Transaction transaction;
    const bool erasing = rng_() % 3 == 0 || shrinking_;
    for (std::size_t i = 1 + rng_() % 10; i > 0; --i) {
      Write write{.tree = rng_() % kTrees.size(), .key = random_key(rng_, 6000), .value = {}};
      if (!erasing || rng_() % 4 == 0) write.value = random_bytes(rng_, random_size(rng_));
      // On a full volume only what frees may count on being taken.
      if (erasing && shrinking_) write.value.reset();
      if (write.value)
        transaction.put(kTrees[write.tree], as_bytes(write.key), as_bytes(*write.value));
      else
        transaction.erase(kTrees[write.tree], as_bytes(write.key));
      writes.push_back(std::move(write));
    }
    const auto committed = volume_->commit(transaction, {.freeing = shrinking_});
    if (!committed) {
      REQUIRE(committed.error().code == ENOSPC);
      REQUIRE_FALSE(shrinking_);
      ++refused_;
      shrinking_ = true;  // for a while
      return;
    }
    if (shrinking_ && rng_() % 200 == 0) shrinking_ = false;
    lmdb_.begin();
    for (const Write& write : writes) {
      if (write.value)
        pairs_[write.tree][write.key] = *write.value;
      else
        pairs_[write.tree].erase(write.key);
      lmdb_.write(kTrees[write.tree], write.key, write.value);
    }
    lmdb_.commit();
  }
  void look() {
    const std::size_t tree = rng_() % kTrees.size();
    const std::string from = random_key(rng_, 6000);
    const auto expected = pairs_[tree].find(from);
    std::string value;
    const auto got = volume_->get(kTrees[tree], as_bytes(from), value);
    REQUIRE(got.has_value() == (expected != pairs_[tree].end()));
    if (got) REQUIRE((value == expected->second));
    const std::string to = random_key(rng_, 6000);
    auto at = pairs_[tree].lower_bound(from);
    unsigned left = 40;
    REQUIRE(volume_->scan(kTrees[tree], as_bytes(from), as_bytes(to), [&](Bytes key, Bytes found) {
      REQUIRE(at != pairs_[tree].end());
      REQUIRE((at->first == as_text(key) && at->second == as_text(found)));
      ++at;
      return --left > 0;
    }));
    if (left > 0) REQUIRE((at == pairs_[tree].end() || at->first >= to || from >= to));
  }

  Rng rng_;
  MemoryDevice disk_{kVolumeBytes};
  std::unique_ptr<Volume> volume_;
  std::array<Pairs, kTrees.size()> pairs_;
  LmdbOracle lmdb_;
  bool shrinking_ = false;
  std::uint64_t refused_ = 0, remounts_ = 0;
};

double seconds_wanted() {
  const char* const wanted = std::getenv("VEXFS_ORACLE_SECONDS");
  return wanted != nullptr ? std::atof(wanted) : 0;
}

}  // namespace

TEST_CASE("a volume holds what std::map and LMDB hold, for as long as one cares") {
  set_log_level(Level{3});
  const auto begin = std::chrono::steady_clock::now();
  const double seconds = seconds_wanted();
  std::uint64_t steps = 0, refused = 0, remounts = 0;
  unsigned seed = 0;
  do {
    // Every other volume is nearly full.
    ++seed;
    Comparison comparison(seed, seed % 2 == 0 ? 300 : 0);
    CAPTURE(seed);
    for (unsigned i = 0; i < 6000; ++i, ++steps) {
      comparison.step();
      if (i % 1000 == 999) comparison.compare_all();
    }
    comparison.close();
    refused += comparison.refused();
    remounts += comparison.remounts();
  } while (seed < 2 ||
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() <
               seconds);
  CHECK(refused > 0);
  CHECK(remounts > 4);
  MESSAGE(steps, " steps, ", remounts, " remounts, ", refused, " refusals; LMDB ",
          std::string(LmdbOracle::is_here() ? "agrees" : "is not installed"));
  set_log_level(Level::info);
}

TEST_SUITE_END();
