// SPDX-License-Identifier: Apache-2.0
// Goal: a crash at any moment loses what was not synced and nothing else, and makes no garbage.
// Method: files whose bytes all say whose they are, on a volume that forgets by chance what was
// not flushed (tests/fs/crash_volume.h), from a printed seed. After each crash every file reads,
// holds only its own bytes and zeros, and is exactly what its last fsync saw if nothing was done
// to it since.
#include <algorithm>
#include <random>
#include <vector>

#include "storage/memory_device.h"
#include "tests/fs/consistency.h"
#include "tests/fs/crash_volume.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/files after a crash");

namespace {

// The real volume on a device in memory: a crash is the device as it is at one moment.
class StoreOnMemory {
 public:
  StoreOnMemory() {
    auto device = std::make_unique<MemoryDevice>(kBytes);
    REQUIRE(Volume::format(*device, {}));
    open(std::move(device));
  }
  Volume& volume() { return *volume_; }
  void crash(std::mt19937_64&) {
    auto image = device_->image();
    volume_.reset();
    open(std::make_unique<MemoryDevice>(std::move(image)));
  }

 private:
  static constexpr std::uint64_t kBytes = std::uint64_t{512} << 20;
  void open(std::unique_ptr<MemoryDevice> device) {
    device_ = device.get();
    auto opened = Volume::open(std::move(device), {.cache_bytes = 8 << 20});
    REQUIRE(opened);
    volume_ = std::move(*opened);
  }
  MemoryDevice* device_ = nullptr;
  std::unique_ptr<Volume> volume_;
};

class ForgetfulModel {
 public:
  Volume& volume() { return volume_; }
  void crash(std::mt19937_64& rng) { volume_.crash(rng); }

 private:
  CrashVolume volume_;
};

template <class Power>
class CrashTest {
 public:
  explicit CrashTest(std::uint64_t seed) : rng_(seed) {
    REQUIRE(Files::make_root(power_.volume(), 0, 0));
    open();
  }

  void step() {
    switch (rng_() % 8) {
      case 0:
        return make();
      case 1:
        return sync();
      case 2:
        return rename();
      case 3:
        return truncate();
      case 4:
        return remove();
      default:
        return write();
    }
  }

  void crash_and_check() {
    files_.reset();
    power_.crash(rng_);
    open();
    check_consistent(power_.volume());
    for (const File& file : all_) check(file);
    // Go on with what is left, as it is now.
    std::vector<File> left;
    for (File& file : all_) {
      const auto found = files_->lookup(caller_, kRootNode, file.name, kWait);
      if (!found || found->node != file.node) continue;
      file.content = read(file.node);
      file.synced = false;
      file.removed = false;
      left.push_back(file);
      files_->forget(found->node, 1);
    }
    all_ = std::move(left);
  }

 private:
  struct File {
    NodeId node = 0;
    std::string name;
    char letter = 0;
    std::string content;
    bool synced = false;  // nothing has happened to it since its fsync
    bool removed = false;
  };

  void open() {
    auto opened = Files::open(power_.volume(), index_, {.commit_seconds = 3600});
    REQUIRE(opened);
    files_ = std::move(*opened);
  }
  File* any() {
    if (all_.empty()) return nullptr;
    File& file = all_[rng_() % all_.size()];
    return file.removed ? nullptr : &file;
  }
  std::string new_name() { return "f" + std::to_string(++number_); }

  void make() {
    File file{.name = new_name(), .letter = static_cast<char>(1 + number_ % 250), .content = {}};
    const auto made = files_->create(caller_, kRootNode, file.name, 0644, O_RDWR, kWait);
    REQUIRE(made);
    file.node = made->entry.node;
    files_->release(file.node, 0, O_RDWR);
    all_.push_back(std::move(file));
  }
  void write() {
    File* file = any();
    if (!file) return;
    const std::uint64_t at = rng_() % 3 == 0 ? file->content.size() : rng_() % 40'000;
    const std::string text(1 + rng_() % (rng_() % 4 == 0 ? 400'000 : 3000), file->letter);
    REQUIRE(files_->write(caller_, file->node, 0, at, as_bytes(text), kWait));
    if (file->content.size() < at + text.size()) file->content.resize(at + text.size());
    file->content.replace(at, text.size(), text);
    file->synced = false;
  }
  void truncate() {
    File* file = any();
    if (!file) return;
    SetAttr set;
    set.size = true;
    set.attr.st_size = static_cast<off_t>(rng_() % (file->content.size() + 10'000));
    REQUIRE(files_->setattr(caller_, file->node, set, kWait));
    file->content.resize(static_cast<std::size_t>(set.attr.st_size));
    file->synced = false;
  }
  void rename() {
    File* file = any();
    if (!file) return;
    const std::string to = new_name();
    REQUIRE(files_->rename(caller_, kRootNode, file->name, kRootNode, to, 0, kWait));
    file->name = to;
    file->synced = false;
  }
  void remove() {
    File* file = any();
    if (!file || rng_() % 3 != 0) return;
    REQUIRE(files_->unlink(caller_, kRootNode, file->name, kWait));
    files_->forget(file->node, 1);
    file->removed = true;
    file->synced = false;
  }
  void sync() {
    File* file = any();
    if (!file) return;
    Mutex mutex;
    CondVar wake;
    bool done = false;
    files_->fsync(caller_, file->node, 0, false, [&](Result<> result) {
      CHECK(result);
      Lock lock(mutex);
      done = true;
      wake.notify_all();
    });
    Lock lock(mutex);
    while (!done) wake.wait(mutex);
    file->synced = true;
  }

  std::string read(NodeId node) {
    std::string content(1 << 20, '?');
    const auto got =
        files_->read(caller_, node, 0, 0, std::as_writable_bytes(std::span(content)), kWait);
    REQUIRE(got);
    content.resize(*got);
    return content;
  }
  void check(const File& file) {
    CAPTURE(file.name);
    const auto attributes = files_->getattr(caller_, file.node, kWait);
    if (!file.synced) {
      if (!attributes) return;  // made or removed shortly before
      const std::string content = read(file.node);
      CHECK(std::ranges::all_of(content, [&](char c) { return c == 0 || c == file.letter; }));
      return;
    }
    const auto found = files_->lookup(caller_, kRootNode, file.name, kWait);
    REQUIRE(found);
    CHECK(found->node == file.node);
    files_->forget(found->node, 1);
    CHECK((read(file.node) == file.content));
  }

  std::mt19937_64 rng_;
  Power power_;
  ContentIndex index_;
  Caller caller_;
  std::unique_ptr<Files> files_;
  std::vector<File> all_;
  unsigned number_ = 0;
};

}  // namespace

TEST_CASE_TEMPLATE("what was fsynced is there after every crash, and nothing is garbage", Power,
                   ForgetfulModel, StoreOnMemory) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    CrashTest<Power> test(seed);
    for (int crash = 0; crash < 6; ++crash) {
      for (int i = 0; i < 120; ++i) test.step();
      test.crash_and_check();
    }
  }
}

TEST_SUITE_END();
