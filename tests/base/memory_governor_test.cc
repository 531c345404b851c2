// SPDX-License-Identifier: Apache-2.0
// Goal: memory is given back in order, no more than needed, and comes back without swinging.
// Method: consumers and figures of memory that the test makes up; folders that look like /proc.
#include "base/memory_governor.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"

using namespace vexfs;

namespace {

constexpr std::size_t kBudget = 1000;

struct Fake {
  std::size_t used = 0, limit = 0;
  int shrinks = 0;
  bool obeys = true;
};

// Budget 1000: pool (trim), cache (shrink), dirty (hold), added in another order.
struct Fakes {
  Fakes() {
    add("cache", MemoryLevel::shrink, cache, 500, 50);
    add("dirty", MemoryLevel::hold, dirty, 250, 30);
    add("pool", MemoryLevel::trim, pool, 1000, 0);
  }
  void add(const char* name, MemoryLevel at, Fake& fake, std::size_t share, std::size_t floor) {
    fake.limit = share;
    governor.add({.name = name,
                  .gives_at = at,
                  .share = share,
                  .floor = floor,
                  .used = [&fake] { return fake.used; },
                  .hold_to =
                      [this, &fake, name](std::size_t to) {
                        fake.limit = to;
                        ++fake.shrinks;
                        order += name[0];
                        if (fake.obeys) fake.used = std::min(fake.used, to);
                      }});
  }
  std::size_t available = 1'000'000;
  std::string order;
  Fake pool, cache, dirty;
  MemoryGovernor governor{
      kBudget, [this] { return MemoryFigures{.total = 2'000'000, .available = available}; }};
};

void write(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "vexfs-mem-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
    write(path / "proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  600 kB\n");
  }
  ~Folder() { std::filesystem::remove_all(path); }
  MemoryFigures read() const {
    return MemoryReader((path / "proc").string(), (path / "groups").string()).read();
  }
  std::filesystem::path path;
};

}  // namespace

TEST_SUITE_BEGIN("base/memory_governor");

TEST_CASE("below 70 percent nothing happens") {
  Fakes f;
  f.pool.used = 300, f.cache.used = 399;
  CHECK(f.governor.tick() == MemoryLevel::calm);
  CHECK(f.order.empty());
}

TEST_CASE("70 percent: only what is free already goes, as much as needed") {
  Fakes f;
  f.pool.used = 250, f.cache.used = 450;
  CHECK(f.governor.tick() == MemoryLevel::trim);
  CHECK(f.order == "p");
  CHECK(f.pool.used == 150);
}

TEST_CASE("85 percent: then caches, and 95: then writers") {
  Fakes f;
  f.pool.used = 100, f.cache.used = 500, f.dirty.used = 250;
  CHECK(f.governor.tick() == MemoryLevel::shrink);
  CHECK(f.order == "pc");
  CHECK(f.cache.used == 350);  // 250 too much, 100 of them from the pool
  CHECK(f.dirty.limit == 250);

  Fakes g;
  g.pool.used = 0, g.cache.used = 500, g.dirty.used = 460;
  g.cache.obeys = false;  // its pages wait for a checkpoint
  CHECK(g.governor.tick() == MemoryLevel::hold);
  CHECK(g.order == "pcd");
  CHECK(g.cache.limit == 140);
  CHECK(g.dirty.limit == 100);
}

TEST_CASE("what cannot give is counted, and the others give for it") {
  Fakes f;
  std::size_t fixed = 500;
  f.governor.add({.name = "fixed", .used = [&fixed] { return fixed; }});
  f.cache.used = 400;
  CHECK(f.governor.tick() == MemoryLevel::shrink);
  CHECK(f.cache.used == 100);
  f.cache.used = 0, fixed = 0;
  for (int i = 0; i < 5; ++i) f.governor.tick();
  CHECK(f.cache.limit == 500);
}

TEST_CASE("who holds little may not take more while others wait") {
  Fakes f;
  f.cache.used = 960, f.cache.obeys = false, f.dirty.used = 0;
  CHECK(f.governor.tick() == MemoryLevel::hold);
  CHECK(f.dirty.limit == 30);
}

TEST_CASE("nobody is asked for less than its floor") {
  Fakes f;
  f.cache.used = 500, f.dirty.used = 250, f.pool.used = 900, f.pool.obeys = false;
  f.governor.tick();
  CHECK(f.cache.limit == 50);
  CHECK(f.dirty.limit == 30);
}

TEST_CASE("a level ends 5 points below where it begins") {
  Fakes f;
  f.pool.obeys = false;
  f.pool.used = 700;
  CHECK(f.governor.tick() == MemoryLevel::trim);
  f.pool.used = 660;
  CHECK(f.governor.tick() == MemoryLevel::trim);
  f.pool.used = 640;
  CHECK(f.governor.tick() == MemoryLevel::calm);
  f.pool.used = 690;
  CHECK(f.governor.tick() == MemoryLevel::calm);
}

TEST_CASE("shares come back step by step, the writers' first, and stop short of trimming") {
  Fakes f;
  f.cache.used = 500, f.dirty.used = 250, f.pool.used = 400, f.pool.obeys = false;
  CHECK(f.governor.tick() == MemoryLevel::hold);
  CHECK(f.cache.limit < 500);
  CHECK(f.dirty.limit < 250);
  f.order.clear();
  f.pool.used = 0;
  for (int i = 0; i < 20; ++i) {
    // Whatever is given is used at once.
    f.dirty.used = f.dirty.limit;
    CHECK(f.governor.tick() == MemoryLevel::calm);
    f.cache.used = f.cache.limit;
    CHECK(f.pool.used + f.cache.used + f.dirty.used < 700);
  }
  CHECK(f.order[0] == 'd');
  CHECK(f.dirty.limit == 250);
  f.cache.used = f.dirty.used = 0;
  for (int i = 0; i < 5; ++i) f.governor.tick();
  CHECK(f.cache.limit == 500);
}

TEST_CASE("a machine that is short of memory makes the budget smaller, and back") {
  Fakes f;
  f.cache.used = 400, f.dirty.used = 100;
  f.available = 20;
  CHECK(f.governor.tick() == MemoryLevel::hold);  // 500 of 510
  CHECK(f.cache.used == 200);                     // the sum is 60 % of that, by whole percents
  f.available = 1'000'000;
  for (int i = 0; i < 5; ++i) CHECK(f.governor.tick() == MemoryLevel::calm);
  CHECK(f.cache.limit == 500);
  CHECK(f.dirty.limit == 250);
  // Nothing available at all: an eighth of the budget is left.
  f.available = 0;
  f.cache.used = f.dirty.used = 0, f.pool.used = 80;
  CHECK(f.governor.tick() == MemoryLevel::trim);
}

TEST_CASE("the thread looks by itself, and ends") {
  Fakes f;
  f.governor.start();
  f.governor.stop();
  f.governor.stop();
}

TEST_CASE("budgets: a quarter between the ends, and its shares") {
  constexpr std::size_t kMiB = 1 << 20;
  CHECK(default_memory_budget({.total = 800 * kMiB, .available = 4000 * kMiB}) == 200 * kMiB);
  CHECK(default_memory_budget({.total = 9000 * kMiB, .available = 1200 * kMiB}) == 300 * kMiB);
  CHECK(default_memory_budget({.total = 10, .available = 10}) == 64 * kMiB);
  CHECK(default_memory_budget({}) == 1024 * kMiB);
  CHECK(memory_shares(64 * kMiB).page_cache == 32 * kMiB);
  CHECK(memory_shares(64 * kMiB).dirty_data == 16 * kMiB);
}

TEST_CASE("figures: the machine's, where no group limits") {
  Folder folder;
  CHECK(folder.read().total == 1000 * 1024);
  CHECK(folder.read().available == 600 * 1024);
  write(folder.path / "proc/self/cgroup", "0::/a/b\n");
  write(folder.path / "groups/a/b/memory.max", "max\n");
  CHECK(folder.read().available == 600 * 1024);
}

TEST_CASE("figures: a group of version 2, or one above it") {
  Folder folder;
  write(folder.path / "proc/self/cgroup", "0::/a/b\n");
  write(folder.path / "groups/a/memory.max", "100000\n");
  write(folder.path / "groups/a/memory.current", "90000\n");
  write(folder.path / "groups/a/memory.stat", "anon 5\ninactive_file 30000\nactive_file 7\n");
  CHECK(folder.read().total == 100000);
  CHECK(folder.read().available == 40003);
}

TEST_CASE("figures: the group above may have less left than ours") {
  Folder folder;
  write(folder.path / "proc/self/cgroup", "0::/a/b\n");
  write(folder.path / "groups/a/b/memory.max", "100000\n");
  write(folder.path / "groups/a/b/memory.current", "10000\n");
  write(folder.path / "groups/a/memory.max", "300000\n");
  write(folder.path / "groups/a/memory.current", "280000\n");
  CHECK(folder.read().total == 100000);
  CHECK(folder.read().available == 20000);
}

TEST_CASE("figures: version 1") {
  Folder folder;
  write(folder.path / "proc/self/cgroup", "3:cpu:/x\n2:hugetlb,memory:/x\n");
  write(folder.path / "groups/memory/x/memory.limit_in_bytes", "50000\n");
  write(folder.path / "groups/memory/x/memory.usage_in_bytes", "20000\n");
  CHECK(folder.read().total == 50000);
  CHECK(folder.read().available == 30000);
}

TEST_SUITE_END();
