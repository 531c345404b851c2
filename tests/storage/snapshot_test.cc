// SPDX-License-Identifier: Apache-2.0
// Goal: a pinned root reads as at the moment it was pinned, whatever happens to the volume and
// wherever its power is cut; when it is let go, everything is free again.
// Method: random transactions, file data, checkpoints, pins and removals from a printed seed. All
// keys and data of every pinned root are compared with what was read when it was pinned, the
// volume is checked as fsck does, drained at the end, and its space counted.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"
#include "storage/check.h"
#include "storage/extent_edit.h"
#include "storage/faulty_device.h"
#include "storage/file_data.h"
#include "storage/store.h"
#include "tests/storage/shared_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/snapshot");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};
constexpr VolumeOptions kOptions{.cache_bytes = std::size_t{4} << 20};

struct QuietLog {
  QuietLog() { set_log_level(Level{3}); }
  ~QuietLog() { set_log_level(Level::info); }
};

Store& store_of(Volume& volume) {
  return static_cast<Store&>(volume);
}

const MemoryDevice::Image& fresh() {
  static const MemoryDevice::Image image = [] {
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    return disk.image();
  }();
  return image;
}

std::uint64_t free_when_empty() {
  static const std::uint64_t free =
      (*Volume::open(std::make_unique<MemoryDevice>(fresh()), kOptions))->space().free;
  return free;
}

void append(std::uint64_t& hash, unsigned tree, Bytes key, Bytes value) {
  hash = hash64(value, hash64(key, hash + tree));
}

bool is_kept(Tree tree) {
  return tree != Tree::free_space && tree != Tree::snapshot;
}

std::uint64_t content_now(Volume& volume) {
  std::uint64_t hash = 0;
  for (unsigned t = 0; t < kTreeCount; ++t)
    if (is_kept(Tree{static_cast<std::uint8_t>(t)}))
      REQUIRE(volume.scan(Tree{static_cast<std::uint8_t>(t)}, {}, {}, [&](Bytes key, Bytes value) {
        append(hash, t, key, value);
        return true;
      }));
  return hash;
}

// Keys and values; 0 when data of a file is not what its checksums say.
std::uint64_t content_of_pinned(Store& store, const PinnedRoot& root) {
  std::uint64_t hash = 0;
  bool whole = true;
  std::vector<FileExtent> extents;
  for (unsigned t = 0; t < kTreeCount; ++t) {
    const auto scanned =
        store.scan_pinned(root, Tree{static_cast<std::uint8_t>(t)}, {}, {}, [&](Bytes k, Bytes v) {
          append(hash, t, k, v);
          if (Tree{static_cast<std::uint8_t>(t)} == Tree::extent)
            extents.push_back(*FileExtent::decode(k, v));
          return true;
        });
    whole = whole && scanned;
  }
  for (const FileExtent& extent : extents) {
    const Buffer data = Buffer::take(std::size_t{extent.blocks} * kBlockBytes);
    whole = whole && store.read_blocks(extent.first, data.bytes(), Wait::allowed) &&
            block_checks(data.bytes()) == extent.checks;
  }
  return whole ? hash : 0;
}

class Life {
 public:
  Life(unsigned seed, Volume& volume, DeviceHistory* history = nullptr)
      : rng_(seed), volume_(volume), store_(store_of(volume)), history_(history) {
    promised_.push_back({});
  }

  void step() {
    switch (rng_() % 16) {
      case 0:
      case 1:
        REQUIRE(volume_.checkpoint());
        break;
      case 2:
      case 3:
      case 4:
        write_file();
        break;
      case 5:
        remove_file(Ino{1 + rng_() % 12});
        break;
      case 6:
        if (pins_.size() < 4) pin();
        break;
      case 7:
        if (!pins_.empty() && rng_() % 2 == 0)
          unpin(std::next(pins_.begin(), long(rng_() % pins_.size()))->first);
        break;
      case 8:
        REQUIRE(volume_.sync(volume_.last_lsn()));
        break;
      default: {
        Transaction mine, unused;
        fill_random(rng_, mine, unused, {.keys = 300, .records_max = 12});
        REQUIRE(volume_.commit(mine));
      }
    }
  }
  void check_pins() {
    for (const auto& [number, content] : pins_) {
      CAPTURE(number);
      CHECK(is_whole(number, content));
    }
  }
  bool is_whole(std::uint64_t number, std::uint64_t content) {
    for (const PinnedRoot& root : store_.pinned_roots())
      if (root.generation == number) return content_of_pinned(store_, root) == content;
    return false;
  }
  void unpin(std::uint64_t number) {
    promise_without(number);
    REQUIRE(store_.unpin_root(number));
    pins_.erase(number);
  }
  std::map<std::uint64_t, std::uint64_t> pins() const { return pins_; }
  // By the number of a note: what was promised then.
  std::vector<std::map<std::uint64_t, std::uint64_t>> promised() const { return promised_; }

 private:
  void pin() {
    const std::uint64_t content = content_now(volume_);
    const auto number = store_.pin_root("a name");
    REQUIRE(number);
    pins_[*number] = content;
    note(pins_);
  }
  void promise_without(std::uint64_t number) {
    auto rest = pins_;
    rest.erase(number);
    note(rest);
  }
  void note(const std::map<std::uint64_t, std::uint64_t>& promised) {
    promised_.push_back(promised);
    if (history_ != nullptr) history_->note(promised_.size() - 1);
  }
  void write_file() {
    const Ino ino{1 + rng_() % 12};
    const std::size_t blocks = 1 + rng_() % 10;
    const Buffer data = Buffer::take(blocks * kBlockBytes);
    for (std::byte& b : data.bytes()) b = static_cast<std::byte>(rng_());
    const auto written = write_file_blocks(volume_, rng_() % 16, data.bytes());
    REQUIRE(written);
    if (rng_() % 4 == 0) REQUIRE(volume_.checkpoint());  // allocated before, adopted after
    REQUIRE(volume_.flush_data(FlushSite::file_content));
    ExtentEdit edit(volume_, ino, Wait::allowed);
    for (const FileExtent& extent : *written) REQUIRE(edit.put(extent));
    Transaction transaction;
    edit.log(transaction);
    REQUIRE(volume_.commit(transaction));
  }
  void remove_file(Ino ino) {
    ExtentEdit edit(volume_, ino, Wait::allowed);
    REQUIRE(edit.remove(0, kBlocksEnd, 1000));
    Transaction transaction;
    edit.log(transaction);
    if (!transaction.empty()) REQUIRE(volume_.commit(transaction, {.freeing = true}));
  }

  Rng rng_;
  Volume& volume_;
  Store& store_;
  DeviceHistory* const history_;
  std::map<std::uint64_t, std::uint64_t> pins_;  // number -> content
  std::vector<std::map<std::uint64_t, std::uint64_t>> promised_;
};

void drain(Volume& volume) {
  for (unsigned t = 0; t < kTreeCount; ++t) {
    const Tree tree{static_cast<std::uint8_t>(t)};
    if (!is_kept(tree)) continue;
    for (bool more = true; more;) {
      Transaction transaction;
      REQUIRE(volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
        transaction.erase(tree, key);
        if (tree == Tree::extent) transaction.free(FileExtent::decode(key, value)->where());
        return transaction.records() < 500;
      }));
      more = !transaction.empty();
      REQUIRE(volume.commit(transaction, {.freeing = true}));
    }
  }
  REQUIRE(volume.checkpoint());
}

void check_clean(MemoryDevice& disk) {
  CheckReport report;
  REQUIRE(check_volume(disk, {.threads = 1}, report));
  CHECK_MESSAGE(report.clean(), report.text());
}

}  // namespace

TEST_CASE("a pinned root stays as it was; let go, everything is free again") {
  const QuietLog quiet;
  std::size_t pins = 0;
  for (unsigned seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    MemoryDevice disk(fresh());
    std::map<std::uint64_t, std::uint64_t> kept;
    for (unsigned life = 0; life < 3; ++life) {
      auto volume = Volume::open(std::make_unique<SharedDevice>(disk), kOptions);
      REQUIRE(volume);
      Life work(seed * 10 + life, **volume);
      for (unsigned i = 0; i < 120; ++i) {
        work.step();
        if (i % 40 == 39) work.check_pins();
      }
      for (const auto& [number, content] : kept) CHECK(work.is_whole(number, content));
      for (const auto& [number, content] : work.pins()) kept[number] = content;
      pins += work.pins().size();
      // The second life ends without a word.
      if (life != 1)
        REQUIRE((*volume)->close());
      else
        REQUIRE((*volume)->sync((*volume)->last_lsn()));
      check_clean(disk);
    }
    auto volume = Volume::open(std::make_unique<SharedDevice>(disk), kOptions);
    REQUIRE(volume);
    drain(**volume);
    Store& store = store_of(**volume);
    while (!kept.empty()) {
      const auto one = std::next(kept.begin(), long(seed % kept.size()));
      for (const PinnedRoot& root : store.pinned_roots())
        CHECK(content_of_pinned(store, root) == kept.at(root.generation));
      REQUIRE(store.unpin_root(one->first));
      kept.erase(one);
    }
    CHECK(store.pinned_roots().empty());
    REQUIRE((*volume)->checkpoint());
    CHECK((*volume)->space().free == free_when_empty());
    REQUIRE((*volume)->close());
    check_clean(disk);
  }
  CHECK(pins > 8);
}

TEST_CASE("a pinned root outlives power cuts; half a removal is finished") {
  const QuietLog quiet;
  std::size_t states = 0, seen = 0;
  for (unsigned seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    auto history = std::make_shared<DeviceHistory>();
    std::vector<std::map<std::uint64_t, std::uint64_t>> promised;
    std::map<std::uint64_t, std::uint64_t> contents;  // of all pins that ever were
    {
      auto volume = Volume::open(std::make_unique<FaultyDevice>(fresh(), history), kOptions);
      REQUIRE(volume);
      Life work(seed, **volume, history.get());
      for (unsigned i = 0; i < 90; ++i) work.step();
      promised = work.promised();
      for (const auto& each : promised) contents.insert(each.begin(), each.end());
    }
    const std::vector<DeviceEvent> events = history->take();
    CrashStates cuts(fresh(), events);
    Rng rng(seed + 100);
    for (std::size_t cut = 0; cut <= events.size(); cut += 1 + rng() % 12) {
      cuts.cut_after(cut);
      CAPTURE(cut);
      ++states;
      MemoryDevice disk(cuts.state(rng));
      check_clean(disk);
      auto volume = Volume::open(std::make_unique<SharedDevice>(disk), kOptions);
      REQUIRE(volume);
      Store& store = store_of(**volume);
      std::set<std::uint64_t> there;
      for (const PinnedRoot& root : store.pinned_roots()) {
        there.insert(root.generation);
        const auto content = contents.find(root.generation);
        if (content == contents.end()) continue;  // it was being pinned
        ++seen;
        CHECK(content_of_pinned(store, root) == content->second);
      }
      for (const auto& [number, content] : promised[cuts.newest_note()]) {
        CAPTURE(number);
        CHECK(there.contains(number));
      }
      if (states % 4 != 0) continue;
      drain(**volume);
      for (const PinnedRoot& root : store.pinned_roots()) {
        const auto content = contents.find(root.generation);
        if (content != contents.end()) CHECK(content_of_pinned(store, root) == content->second);
        REQUIRE(store.unpin_root(root.generation));
      }
      for (unsigned i = 0; i < 8; ++i) REQUIRE((*volume)->checkpoint());  // removals cut short
      CHECK((*volume)->space().free == free_when_empty());
      REQUIRE((*volume)->close());
      check_clean(disk);
    }
  }
  MESSAGE("states: ", states, ", pinned roots compared: ", seen);
  CHECK(seen > 20);
}

TEST_SUITE_END();
