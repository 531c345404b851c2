// SPDX-License-Identifier: Apache-2.0
// Goal: many threads on one volume see whole transactions, and lose none.
// Method: writers with keys of their own commit, sync and ask for checkpoints through a cache
// and a log so small that both run over all the time; readers look for torn transactions; the
// result is compared after opening again. Meant for -Dsanitize=thread too.
#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <thread>

#include "base/log.h"
#include "storage/memory_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/threads");

namespace {

constexpr unsigned kWriters = 3;
constexpr unsigned kCommits = 1500;
constexpr unsigned kKeys = 400;

Key key_of(unsigned writer, unsigned key) {
  return Key().u32(key).u32(writer);
}

// The same number under one key in two trees, always in one transaction.
void write_pairs(Volume& volume, unsigned writer, std::map<unsigned, std::uint64_t>& mine,
                 std::atomic<unsigned>& failures) {
  Rng rng(writer + 1);
  for (unsigned i = 1; i <= kCommits; ++i) {
    const unsigned key = static_cast<unsigned>(rng() % kKeys);
    std::string value(as_text(Key().u64(i)));
    value += std::string(rng() % 900, 'v');
    Transaction transaction;
    const bool erase = rng() % 4 == 0;
    for (const Tree tree : {Tree::inode, Tree::dentry}) {
      if (erase)
        transaction.erase(tree, key_of(writer, key));
      else
        transaction.put(tree, key_of(writer, key), as_bytes(value));
    }
    const auto lsn = volume.commit(transaction);
    if (!lsn) ++failures;
    if (erase)
      mine.erase(key);
    else
      mine[key] = i;
    if (lsn && rng() % 50 == 0 && !volume.sync(*lsn)) ++failures;
    if (rng() % 400 == 0 && !volume.checkpoint()) ++failures;
  }
}

void read_pairs(Volume& volume, const std::atomic<bool>& ending, std::atomic<unsigned>& failures) {
  Rng rng(99);
  while (!ending) {
    const auto writer = static_cast<unsigned>(rng() % kWriters);
    const auto key = static_cast<unsigned>(rng() % kKeys);
    // The later read sees the same transaction or a younger one.
    std::string first, second;
    const auto a = volume.get(Tree::inode, key_of(writer, key), first);
    const auto b = volume.get(Tree::dentry, key_of(writer, key), second);
    if ((!a && a.error().code != ENOENT) || (!b && b.error().code != ENOENT)) ++failures;
    if (a && b && KeyReader(as_bytes(first)).u64() > KeyReader(as_bytes(second)).u64()) ++failures;
    std::string last;
    const auto scanned = volume.scan(Tree::inode, {}, {}, [&](Bytes k, Bytes) {
      if (as_text(k) <= last) ++failures;
      last = as_text(k);
      return true;
    });
    if (!scanned) ++failures;
  }
}

void check_all(Volume& volume, const std::map<unsigned, std::uint64_t>* models) {
  for (const Tree tree : {Tree::inode, Tree::dentry}) {
    std::size_t pairs = 0;
    REQUIRE(volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
      KeyReader reader(key);
      const unsigned number = reader.u32(), writer = reader.u32();
      const auto found = models[writer].find(number);
      REQUIRE(found != models[writer].end());
      CHECK(KeyReader(value).u64() == found->second);
      ++pairs;
      return true;
    }));
    std::size_t expected = 0;
    for (unsigned w = 0; w < kWriters; ++w) expected += models[w].size();
    CHECK(pairs == expected);
  }
}

}  // namespace

TEST_CASE("writers and readers side by side lose nothing and see no half of a transaction") {
  set_log_level(Level::warn);
  TemporaryFile file(std::uint64_t{64} << 20);
  const auto open = [&] {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    return std::move(*device);
  };
  REQUIRE(Volume::format(*open(), {.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20}));
  std::map<unsigned, std::uint64_t> models[kWriters];
  std::atomic<unsigned> failures = 0;
  {
    auto volume = Volume::open(open(), {.cache_bytes = std::size_t{1} << 20});
    REQUIRE(volume);
    std::atomic<bool> ending = false;
    std::thread reader([&] { read_pairs(**volume, ending, failures); });
    std::vector<std::thread> writers;
    for (unsigned w = 0; w < kWriters; ++w)
      writers.emplace_back([&, w] { write_pairs(**volume, w, models[w], failures); });
    for (std::thread& writer : writers) writer.join();
    ending = true;
    reader.join();
    CHECK(failures == 0);
    check_all(**volume, models);
    REQUIRE((*volume)->sync((*volume)->last_lsn()));
  }
  auto volume = Volume::open(open(), {});
  REQUIRE(volume);
  check_all(**volume, models);
  REQUIRE((*volume)->close());
  std::string value;
  CHECK((*volume)->get(Tree::inode, key_of(0, 0), value).error().code == ESHUTDOWN);
  set_log_level(Level::info);
}

TEST_SUITE_END();
