// SPDX-License-Identifier: Apache-2.0
// Goal: calls of many threads on few names leave the trees whole, and deadlock nowhere.
// Method: threads do random calls from printed seeds in three directories; errors that a race
// explains are fine. Afterwards tests/fs/consistency.h. Made for the thread sanitizer.
#include <random>
#include <thread>
#include <vector>

#include "tests/fs/consistency.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/files with threads");

namespace {

class Racer {
 public:
  Racer(Files& files, std::vector<NodeId> directories, std::uint64_t seed)
      : files_(files), directories_(std::move(directories)), rng_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
  }

 private:
  NodeId directory() { return directories_[rng_() % directories_.size()]; }
  std::string name() { return std::string(1, static_cast<char>('a' + rng_() % 6)); }
  Wait wait() { return rng_() % 2 == 0 ? Wait::never : Wait::allowed; }

  void step() {
    switch (rng_() % 9) {
      case 0:
        return make();
      case 1:
        return (void)files_.unlink(caller_, directory(), name(), wait());
      case 2:
        return (void)files_.rename(caller_, directory(), name(), directory(), name(),
                                   rng_() % 3 == 0 ? unsigned{RENAME_EXCHANGE} : 0, wait());
      case 3:
        return directories();
      case 4:
        return link();
      case 5:
        return list();
      default:
        return use();
    }
  }
  void make() {
    const auto made = files_.create(caller_, directory(), name(), 0644, O_RDWR, wait());
    if (!made) return;
    write(made->entry.node);
    files_.release(made->entry.node, 0, O_RDWR);
    files_.forget(made->entry.node, 1);
  }
  void directories() {
    const std::string at = "d" + name();
    const NodeId in = directory();
    if (const auto made = files_.mkdir(caller_, in, at, 0755, wait())) files_.forget(made->node, 1);
    (void)files_.rename(caller_, in, at, directory(), "d" + name(), 0, wait());
    (void)files_.rmdir(caller_, directory(), "d" + name(), wait());
  }
  void link() {
    const auto found = files_.lookup(caller_, directory(), name(), wait());
    if (!found) return;
    if (const auto made = files_.link(caller_, found->node, directory(), name(), wait()))
      files_.forget(found->node, 1);
    files_.forget(found->node, 1);
  }
  void list() {
    std::vector<NodeId> seen;
    (void)files_.readdir(
        caller_, directory(), 0, 0, true,
        [&](const DirectoryEntry& entry) {
          if (entry.entry) seen.push_back(entry.node);
          return true;
        },
        wait());
    for (const NodeId node : seen) files_.forget(node, 1);
  }
  void write(NodeId node) {
    const std::string text(1 + rng_() % 20'000, 'x');
    (void)files_.write(caller_, node, 0, rng_() % 50'000, as_bytes(text), wait());
  }
  void use() {
    const auto found = files_.lookup(caller_, directory(), name(), wait());
    if (!found) return;
    const NodeId node = found->node;
    if (files_.open_file(caller_, node, O_RDWR, wait())) {
      write(node);
      std::string out(30'000, '?');
      (void)files_.read(caller_, node, 0, rng_() % 20'000, std::as_writable_bytes(std::span(out)),
                        wait());
      SetAttr set;
      set.size = true;
      set.attr.st_size = static_cast<off_t>(rng_() % 30'000);
      if (rng_() % 3 == 0) (void)files_.setattr(caller_, node, set, wait());
      if (rng_() % 3 == 0) files_.fsync(caller_, node, 0, false, [](Result<>) {});
      (void)files_.setxattr(caller_, node, "user." + name(), as_bytes("v"), 0, wait());
      (void)files_.removexattr(caller_, node, "user." + name(), wait());
      (void)files_.facts(static_cast<Ino>(node));
      files_.release(node, 0, O_RDWR);
    }
    files_.forget(node, 1);
  }

  Files& files_;
  const std::vector<NodeId> directories_;
  std::mt19937_64 rng_;
  const Caller caller_;
};

}  // namespace

TEST_CASE("threads on the same names leave the trees whole") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    FilesFixture fs;
    fs.options = {.commit_seconds = 1, .dirty_bytes_max = 1 << 20};
    fs.remount();
    const std::vector<NodeId> directories = {kRootNode, fs.dir(kRootNode, "x"),
                                             fs.dir(kRootNode, "y")};
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < 4; ++i)
      threads.emplace_back([&, i] { Racer(*fs.files, directories, seed * 10 + i).run(500); });
    for (std::thread& thread : threads) thread.join();
    fs.remount();
    check_consistent(fs.volume);
    CHECK(fs.volume.reserved() == 0);
  }
}

TEST_SUITE_END();
