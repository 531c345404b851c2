// SPDX-License-Identifier: Apache-2.0
// Goal: a directory tree of very many names is removed in bounded transactions; wherever the power
// goes meanwhile, a part of it is gone as a whole, fsck finds nothing, and what was left can be
// removed, after which all of its space is free.
// Method: a tree of 100,000 names (VEXFS_LONG=1: a million) in memory; most of them are files with
// content in their record, some have extents in thousands of pieces. It is removed as `rm -r` does,
// and the power is cut some times on the way.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/text.h"
#include "fs/check.h"
#include "tests/crash/files_work.h"
#include "tests/crash/many_extents.h"
#include "tests/crash/quiet_log.h"
#include "tests/crash/simulator.h"
#include "tests/fs/consistency.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/tree removal");

namespace {

constexpr Wait kWait = Wait::allowed;
constexpr VolumeOptions kOptions{.cache_bytes = std::size_t{32} << 20};
constexpr unsigned kFilesEach = 100;  // in a directory
constexpr unsigned kDirectoriesEach = 10;
constexpr unsigned kBigFiles = 4;
constexpr std::uint64_t kBigExtents = 2500;  // more than one step removes
constexpr std::size_t kUnawaited = 500;      // names removed after the last sync of a life

// A volume with a tree.
struct Tall {
  MemoryDevice::Image image;
  std::uint64_t free = 0;  // when there was no tree
  std::size_t names = 0;
};

void write_all(MemoryDevice::Image& image, const std::vector<DeviceEvent>& events) {
  for (const DeviceEvent& event : events)
    if (event.kind == DeviceEvent::Kind::write)
      MemoryDevice::write_image(image, event.offset, as_bytes(event.data));
}

bool is_empty(Volume& volume, Tree tree) {
  bool empty = true;
  REQUIRE(volume.scan(tree, {}, {}, [&](Bytes, Bytes) { return empty = false; }));
  return empty;
}

std::uint64_t free_when_settled(Volume& volume) {
  while (!is_empty(volume, Tree::orphan))
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  // What the first one makes free is free; what it took itself, after the second.
  REQUIRE(volume.checkpoint());
  REQUIRE(volume.checkpoint());
  return volume.space().free;
}

class Maker {
 public:
  explicit Maker(OpenFiles& open) : open_(open) {}
  NodeId directory(NodeId parent, const std::string& name) {
    const auto made = open_.files->mkdir(open_.caller, parent, name, 0755, kWait);
    REQUIRE(made);
    open_.files->forget(made->node, 1);
    ++names;
    return made->node;
  }
  NodeId file(NodeId parent, const std::string& name, const std::string& content) {
    const auto made = open_.files->create(open_.caller, parent, name, 0644, O_RDWR, kWait);
    REQUIRE(made);
    const NodeId node = made->entry.node;
    if (!content.empty())
      REQUIRE(open_.files->write(open_.caller, node, 0, 0, as_bytes(content), kWait));
    open_.files->release(node, 0, O_RDWR);
    open_.files->forget(node, 1);
    ++names;
    return node;
  }
  std::size_t names = 0;

 private:
  OpenFiles& open_;
};

Tall make_tree(std::size_t names) {
  Tall tree;
  MemoryDevice disk((names / 1000 + 128) << 20);
  REQUIRE(Volume::format(disk, {.log_bytes = std::uint64_t{16} << 20}));
  tree.image = disk.image();
  auto history = std::make_shared<DeviceHistory>();
  {
    OpenFiles open;
    REQUIRE(open.open_volume(std::make_unique<FaultyDevice>(tree.image, history), kOptions) == "");
    REQUIRE(Files::make_root(*open.volume, 0, 0));
    REQUIRE(open.open_files() == "");
    Maker first(open);
    first.file(kRootNode, "stays", "what is beside the tree");
    REQUIRE(open.sync_all());
    tree.free = free_when_settled(*open.volume);
    Maker maker(open);
    const NodeId top = maker.directory(kRootNode, "tree");
    std::vector<NodeId> big;
    for (unsigned i = 0; i < kBigFiles; ++i) big.push_back(maker.file(top, format("big{}", i), ""));
    NodeId middle = 0;
    for (unsigned d = 0; maker.names < names; ++d) {
      if (d % kDirectoriesEach == 0) middle = maker.directory(top, format("middle{}", d));
      const NodeId low = maker.directory(middle, format("low{}", d));
      for (unsigned f = 0; f < kFilesEach; ++f)
        maker.file(low, format("file{}", f), f % 10 == 0 ? format("content {} {}", d, f) : "");
    }
    tree.names = maker.names;
    REQUIRE(open.files->close());
    open.files.reset();
    for (const NodeId node : big) REQUIRE(make_many_extents(*open.volume, node, kBigExtents, 3));
    REQUIRE(open.volume->close());
  }
  write_all(tree.image, history->take());
  return tree;
}

struct Below {
  std::string name;
  NodeId node = 0;
  bool directory = false;
};

std::vector<Below> list(OpenFiles& open, NodeId directory) {
  std::vector<Below> all;
  REQUIRE(open.files->readdir(
      open.caller, directory, 0, 0, false,
      [&](const DirectoryEntry& entry) {
        if (entry.name != "." && entry.name != "..")
          all.push_back({.name = std::string(entry.name)});
        return true;
      },
      kWait));
  for (Below& each : all) {
    const auto entry = open.files->lookup(open.caller, directory, each.name, kWait);
    REQUIRE(entry);
    each.node = entry->node;
    each.directory = S_ISDIR(entry->attr.st_mode);
    open.files->forget(entry->node, 1);
  }
  return all;
}

// As `rm -r` does, until `left` names have been removed. How many were.
std::size_t remove_below(OpenFiles& open, NodeId directory, std::size_t left) {
  std::size_t removed = 0;
  for (const Below& each : list(open, directory)) {
    if (removed == left) break;
    if (each.directory) removed += remove_below(open, each.node, left - removed);
    if (removed == left) break;
    const auto gone = each.directory ? open.files->rmdir(open.caller, directory, each.name, kWait)
                                     : open.files->unlink(open.caller, directory, each.name, kWait);
    REQUIRE(gone);
    ++removed;
  }
  return removed;
}

// The names that there are, by a check that finds nothing.
std::size_t names_in(const MemoryDevice::Image& image) {
  MemoryDevice device(image);
  CheckReport report;
  REQUIRE(check_file_system(device, {.threads = 1}, report));
  CHECK_MESSAGE(report.clean(), report.text());
  return report.counts.names;
}

// Removes some or all, and leaves the volume as a program that is killed does.
struct Life {
  std::size_t removed = 0;  // and promised
  std::uint64_t promised = 0;
};
Life live(OpenFiles& open, DeviceHistory& history, std::size_t left) {
  const auto top = open.files->lookup(open.caller, kRootNode, "tree", kWait);
  REQUIRE(top);
  open.files->forget(top->node, 1);
  Life life{.removed = remove_below(open, top->node, left)};
  CHECK(life.removed == left);
  REQUIRE(open.volume->sync(open.volume->last_lsn()));
  life.promised = open.last_lsn();
  history.note(life.promised);
  remove_below(open, top->node, kUnawaited);
  return life;
}

void remove_rest(OpenFiles& open, std::uint64_t free) {
  const auto top = open.files->lookup(open.caller, kRootNode, "tree", kWait);
  REQUIRE(top);
  open.files->forget(top->node, 1);
  remove_below(open, top->node, ~std::size_t{0});
  REQUIRE(open.files->rmdir(open.caller, kRootNode, "tree", kWait));
  CHECK(free_when_settled(*open.volume) == free);
  const auto stays = open.files->lookup(open.caller, kRootNode, "stays", kWait);
  REQUIRE(stays);
  CHECK(open.content(stays->node).value() == "what is beside the tree");
  open.files->forget(stays->node, 1);
  CHECK(inconsistency(*open.volume) == "");
  REQUIRE(open.files->close());
  REQUIRE(open.volume->close());
}

}  // namespace

TEST_CASE("a tree of very many names is removed in steps, wherever the power goes in it") {
  const QuietLog quiet;
  const Tall tree = make_tree(std::getenv("VEXFS_LONG") != nullptr ? 1'000'000 : 100'000);
  constexpr unsigned kCuts = 4, kSeed = 11;
  CAPTURE(kSeed);
  Rng rng(kSeed);
  MemoryDevice::Image image = tree.image;
  std::size_t names = names_in(image);
  CHECK(names == tree.names + 1);
  for (unsigned i = 0; i < kCuts; ++i) {
    CAPTURE(i);
    auto history = std::make_shared<DeviceHistory>();
    Life life;
    {
      OpenFiles open;
      REQUIRE(open.open_volume(std::make_unique<FaultyDevice>(image, history), kOptions) == "");
      REQUIRE(open.open_files() == "");
      life = live(open, *history, tree.names / (kCuts + 1));
    }
    const std::vector<DeviceEvent> events = history->take();
    CrashStates states(image, events);
    // Behind the promise, and before it.
    states.cut_after(events.size() - (i % 2 == 0 ? 0 : rng() % (events.size() / 2)));
    const bool promised = states.newest_note() == life.promised;
    CHECK((promised || i % 2 != 0));
    image = states.state(rng);
    const std::size_t now = names_in(image);
    CHECK(now <= names - (promised ? life.removed : 0));
    CHECK(now >= names - life.removed - kUnawaited);
    MESSAGE("names: ", names, ", then ", now, std::string(promised ? ", all promised" : ""));
    names = now;
  }
  OpenFiles open;
  REQUIRE(open.open_volume(std::make_unique<MemoryDevice>(image), kOptions) == "");
  REQUIRE(open.open_files() == "");
  remove_rest(open, tree.free);
}

TEST_SUITE_END();
