// SPDX-License-Identifier: Apache-2.0
// Goal: what is too long for one transaction happens all the same, whole, after any crash: cutting
// off or removing a file of very many extents.
// Method: the simulator over such a file, every step synced by itself so that cuts fall between
// two of them; and once a sparse file of 100 GiB with a million extents.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/falloc.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "base/text.h"
#include "tests/crash/files_work.h"
#include "tests/crash/many_extents.h"
#include "tests/crash/quiet_log.h"
#include "tests/crash/simulator.h"
#include "tests/fs/consistency.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/long operations");

namespace {

constexpr Wait kWait = Wait::allowed;
constexpr std::uint64_t kExtents = 3500, kStride = 3;
constexpr std::uint64_t kSize = (kStride * (kExtents - 1) + 1) * kBlockBytes;
constexpr std::uint64_t kCutSize = kSize / 5 + 77;
constexpr VolumeOptions kEachStepSynced{.cache_bytes = std::size_t{4} << 20,
                                        .sync = SyncPolicy::strict};

NodeId create(OpenFiles& open, const char* name) {
  const auto made = open.files->create(open.caller, kRootNode, name, 0644, O_RDWR, kWait);
  REQUIRE(made);
  open.files->release(made->entry.node, 0, O_RDWR);
  open.files->forget(made->entry.node, 1);
  return made->entry.node;
}

// A volume with an empty file "other" and a file "big" of `extents` extents.
NodeId make_big(OpenFiles& open, std::uint64_t extents, std::uint64_t stride) {
  REQUIRE(Files::make_root(*open.volume, 0, 0));
  REQUIRE(open.open_files() == "");
  create(open, "other");
  const NodeId big = create(open, "big");
  REQUIRE(open.files->close());
  open.files.reset();
  REQUIRE(make_many_extents(*open.volume, big, extents, stride));
  return big;
}

bool is_empty(Volume& volume, Tree tree) {
  bool empty = true;
  REQUIRE(volume.scan(tree, {}, {}, [&](Bytes, Bytes) { return empty = false; }));
  return empty;
}

// The long part of a removal is on another thread.
void wait_for_removals(OpenFiles& open) {
  while (!is_empty(*open.volume, Tree::orphan))
    std::this_thread::sleep_for(std::chrono::microseconds(200));
}

enum class Operation : std::uint8_t { cut_short, empty, unlink, close_unlinked, replace, punch };
constexpr unsigned kOperations = 6;

// Promises the one operation, as a whole, once it was synced; it was not begun, or it is done.
class LongOperation final : public CrashSubject {
 public:
  explicit LongOperation(Operation operation) : operation_(operation) {}

  MemoryDevice::Image start(Rng&) override {
    static const MemoryDevice::Image image = [] {
      auto history = std::make_shared<DeviceHistory>();
      MemoryDevice disk(std::uint64_t{64} << 20);
      REQUIRE(Volume::format(disk, {.log_bytes = std::uint64_t{2} << 20}));
      MemoryDevice::Image made = disk.image();
      {
        OpenFiles open;
        REQUIRE(open.open_volume(std::make_unique<FaultyDevice>(made, history), {}) == "");
        make_big(open, kExtents, kStride);
        REQUIRE(open.volume->close());
      }
      for (const DeviceEvent& event : history->take())
        if (event.kind == DeviceEvent::Kind::write)
          MemoryDevice::write_image(made, event.offset, as_bytes(event.data));
      return made;
    }();
    return image;
  }

  std::string live(std::unique_ptr<BlockDevice> device, DeviceHistory& history, Rng&) override {
    OpenFiles open;
    std::string fault = open.open_volume(std::move(device), kEachStepSynced);
    if (fault.empty()) fault = open.open_files();
    if (!fault.empty()) return fault;
    const auto big = open.files->lookup(open.caller, kRootNode, "big", kWait);
    if (!big || static_cast<std::uint64_t>(big->attr.st_size) != kSize) return {};  // it is done
    REQUIRE(act(open, big->node));
    wait_for_removals(open);
    REQUIRE(open.volume->sync(open.volume->last_lsn()));
    history.note(open.last_lsn());
    return {};
  }

  Verdict judge(std::unique_ptr<BlockDevice> device, DeviceHistory& history,
                const Circumstances& circumstances) override {
    OpenFiles open;
    Verdict verdict{.fault = open.open_volume(std::move(device), kEachStepSynced),
                    .lsn = open.came_back_at};
    if (verdict.fault.empty() && open.came_back_at < circumstances.promised)
      verdict.fault = format("lsn {} < {} promised", verdict.lsn, circumstances.promised);
    if (verdict.fault.empty() &&
        !(is_empty(*open.volume, Tree::orphan) && is_empty(*open.volume, Tree::intent)))
      ++resumed_;
    if (verdict.fault.empty()) verdict.fault = open.open_files();
    if (verdict.fault.empty()) verdict.fault = look(open);
    if (verdict.fault.empty()) verdict.fault = inconsistency(*open.volume);
    history.note(verdict.lsn);
    return verdict;
  }
  // How many states were in the middle of it.
  std::size_t resumed() const { return resumed_; }

 private:
  Result<> act(OpenFiles& open, NodeId big) const {
    Files& files = *open.files;
    switch (operation_) {
      case Operation::cut_short:
        return open.truncate(big, kCutSize);
      case Operation::empty:
        return open.truncate(big, 0);
      case Operation::unlink:
        return files.unlink(open.caller, kRootNode, "big", kWait);
      case Operation::close_unlinked:
        REQUIRE(files.open_file(open.caller, big, O_RDWR, kWait));
        REQUIRE(files.unlink(open.caller, kRootNode, "big", kWait));
        files.release(big, 0, O_RDWR);
        return {};
      case Operation::replace:
        return files.rename(open.caller, kRootNode, "other", kRootNode, "big", 0, kWait);
      case Operation::punch:
        return files.fallocate(open.caller, big, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                               kSize, kWait);
    }
    return {};
  }

  std::string look(OpenFiles& open) const {
    if (!is_empty(*open.volume, Tree::orphan)) return "a removal was not finished";
    if (!is_empty(*open.volume, Tree::intent)) return "a truncation was not finished";
    const auto big = open.files->lookup(open.caller, kRootNode, "big", kWait);
    if (!big) return big.error().code == ENOENT ? std::string() : big.error().what;
    const auto size = static_cast<std::uint64_t>(big->attr.st_size);
    const std::uint64_t extents = count_extents(*open.volume, big->node, 0).value();
    open.files->forget(big->node, 1);
    // Punching promises no more than that each step is whole.
    if (operation_ == Operation::punch)
      return size == kSize ? std::string() : format("size {} after a hole", size);
    const std::uint64_t blocks = (size + kBlockBytes - 1) / kBlockBytes;
    const std::uint64_t expected = (blocks + kStride - 1) / kStride;
    if (size != kSize && size != kCutSize && size != 0) return format("size {}", size);
    return extents == expected ? std::string()
                               : format("{} extents, not {}, in {}", extents, expected, size);
  }

  const Operation operation_;
  std::size_t resumed_ = 0;
};

double cpu_seconds() {
  timespec now;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

TEST_CASE("a long operation is done as a whole, wherever the power went in it") {
  const QuietLog quiet;
  std::size_t states = 0;
  for (const unsigned seed : crash_seeds(2))
    for (unsigned i = 0; i < kOperations; ++i) {
      CAPTURE(i);
      LongOperation subject(Operation{static_cast<std::uint8_t>(i)});
      const Simulation simulation = simulate(subject, {.seed = seed, .lives = 2});
      states += simulation.states;
      CHECK_MESSAGE(simulation.violations == 0, simulation.first);
      // A hole leaves nothing to resume: each step of it is whole by itself.
      CHECK((subject.resumed() > 0 || Operation{static_cast<std::uint8_t>(i)} == Operation::punch));
    }
  MESSAGE("crash states in long operations: ", states);
}

TEST_CASE("a sparse file of 100 GiB in a million extents is cut off and removed") {
  const QuietLog quiet;
  const char* const wanted = std::getenv("VEXFS_LONG_EXTENTS");
  const std::uint64_t extents = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1'000'000;
  constexpr std::uint64_t kWide = 26;  // blocks from one to the next
  auto disk = std::make_unique<MemoryDevice>((extents + 200'000) * kBlockBytes);
  REQUIRE(Volume::format(*disk, {}));
  OpenFiles open;
  REQUIRE(open.open_volume(std::move(disk), {.cache_bytes = std::size_t{64} << 20}) == "");
  double begin = cpu_seconds();
  const NodeId big = make_big(open, extents, kWide);
  const double made = cpu_seconds() - begin;
  REQUIRE(open.open_files() == "");
  CHECK(static_cast<std::uint64_t>(open.files->getattr(open.caller, big, kWait)->attr.st_blocks) ==
        extents * 8);
  begin = cpu_seconds();
  const std::uint64_t half = extents / 2 * kWide;
  REQUIRE(open.truncate(big, half * kBlockBytes));
  CHECK(count_extents(*open.volume, big, 0).value() == extents / 2);
  const double cut = cpu_seconds() - begin;
  begin = cpu_seconds();
  REQUIRE(open.files->unlink(open.caller, kRootNode, "big", kWait));
  wait_for_removals(open);
  CHECK(count_extents(*open.volume, big, 0).value() == 0);
  CHECK(is_empty(*open.volume, Tree::intent));
  MESSAGE(extents, " extents: made in ", made, " s of CPU, half cut off in ", cut,
          ", the rest removed in ", cpu_seconds() - begin);
  REQUIRE(open.files->close());
}

TEST_SUITE_END();
