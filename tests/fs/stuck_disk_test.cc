// SPDX-License-Identifier: Apache-2.0
// Goal: a disk that answers no more stops only who waits for it: what is in memory is still
// answered, changes are still taken, and no thread is made for those who wait.
// Method: a volume on a device that can be made to hang, mounted in this process. While it hangs
// the calls below have to come back; a watchdog aborts the test where one does not.
#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

#include "fs/file_system.h"
#include "fs/fuse_session.h"
#include "storage/block_device.h"
#include "storage/volume.h"

using namespace vexfs;
using namespace std::chrono_literals;

namespace {

class HangingDevice final : public BlockDevice {
 public:
  explicit HangingDevice(std::unique_ptr<BlockDevice> inner) : inner_(std::move(inner)) {}
  void hang(bool now) {
    std::lock_guard lock(mutex_);
    hangs_ = now;
    wake_.notify_all();
  }
  int waiting() {
    std::lock_guard lock(mutex_);
    return waiting_;
  }

  std::uint64_t size_bytes() const override { return inner_->size_bytes(); }
  using BlockDevice::read;
  using BlockDevice::write;
  Result<> read(std::span<const DeviceRead> batch) override {
    wait();
    return inner_->read(batch);
  }
  Result<> write(std::span<const DeviceWrite> batch) override {
    wait();
    return inner_->write(batch);
  }
  Result<> flush(FlushSite site) override {
    wait();
    return inner_->flush(site);
  }
  Result<> write_flushed(const DeviceWrite& write, FlushSite site) override {
    wait();
    return inner_->write_flushed(write, site);
  }
  void discard(std::uint64_t offset, std::uint64_t bytes) override {
    inner_->discard(offset, bytes);
  }

 private:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    wake_.wait(lock, [this] { return !hangs_; });
    --waiting_;
  }
  const std::unique_ptr<BlockDevice> inner_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool hangs_ = false;
  int waiting_ = 0;
};

// Aborts when it is not gone in time: the mount would otherwise be waited for by this process.
class Watchdog {
 public:
  explicit Watchdog(HangingDevice& device)
      : thread_([this, &device] {
          for (int i = 0; i < 1200 && !done_; ++i) std::this_thread::sleep_for(50ms);
          if (done_) return;
          std::fputs("a call waited for the disk that hangs\n", stderr);
          late_ = true;
          device.hang(false);
        }) {}
  ~Watchdog() {
    done_ = true;
    thread_.join();
  }
  bool late() const { return late_; }

 private:
  std::atomic<bool> done_ = false, late_ = false;
  std::thread thread_;
};

class Mount {
 public:
  Mount() {
    char name[] = "/tmp/vexfs-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
    const std::string image = folder_ + "/volume.vex";
    const int file = ::open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(::ftruncate(file, 256 << 20) == 0);
    ::close(file);
    auto opened = open_file_device(image, {});
    REQUIRE(opened);
    REQUIRE(Volume::format(**opened, {.log_bytes = 16 << 20}));
    auto hanging = std::make_unique<HangingDevice>(*std::move(opened));
    device_ = hanging.get();
    auto volume = Volume::open(std::move(hanging), {});
    REQUIRE(volume);
    volume_ = *std::move(volume);
    REQUIRE(FileSystem::make_root(*volume_, ::getuid(), ::getgid()));
    FileSystemOptions options;
    options.index = false;
    auto files = FileSystem::open(*volume_, options);
    REQUIRE(files);
    files_ = *std::move(files);
    const std::string mnt = folder_ + "/mnt";
    REQUIRE(::mkdir(mnt.c_str(), 0700) == 0);
    auto session = FuseSession::mount(*files_, {.mountpoint = mnt, .source = "stuck-disk-test"});
    REQUIRE(session);
    session_ = *std::move(session);
    loop_ = std::thread([this] { CHECK(session_->run()); });
    struct stat attr{};
    REQUIRE(::stat(mnt.c_str(), &attr) == 0);
  }
  ~Mount() {
    session_->stop();
    loop_.join();
    session_->unmount();
    session_.reset();
    CHECK(files_->close());
    files_.reset();
    CHECK(volume_->close());
    std::filesystem::remove_all(folder_);
  }
  HangingDevice& device() { return *device_; }
  std::string path(const std::string& name) const { return folder_ + "/mnt/" + name; }

 private:
  std::string folder_;
  HangingDevice* device_ = nullptr;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<FuseSession> session_;
  std::thread loop_;
};

void write_file(const std::string& path, const std::string& content, bool sync) {
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  CHECK(::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  if (sync) CHECK(::fsync(file) == 0);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);  // from the kernel's memory
  ::close(file);
}

bool reads_as(const std::string& path, const std::string& content) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string got(content.size() + 1, '\0');
  const ssize_t bytes = ::read(file, got.data(), got.size());
  ::close(file);
  return bytes == static_cast<ssize_t>(content.size()) && got.starts_with(content);
}

long threads_of_this_process() {
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

}  // namespace

TEST_SUITE_BEGIN("fs/stuck_disk");

TEST_CASE("a disk that hangs stops only who waits for it") {
  constexpr int kReaders = 48, kSyncers = 8;
  Mount mount;
  const std::string content(100'000, 'c');
  for (int i = 0; i < kReaders; ++i)
    write_file(mount.path("cold" + std::to_string(i)), content, true);
  for (int i = 0; i < 20; ++i)
    write_file(mount.path("warm" + std::to_string(i)), "in memory", false);
  // Not one that is being synced: the kernel holds its inode's lock meanwhile.
  const std::string named = mount.path("warm10");
  REQUIRE(::setxattr(named.c_str(), "user.a", "value", 5, 0) == 0);

  mount.device().hang(true);
  Watchdog watchdog(mount.device());
  const long threads_before = threads_of_this_process();
  std::atomic<int> right = 0;
  std::vector<std::thread> stuck;
  for (int i = 0; i < kReaders; ++i)
    stuck.emplace_back(
        [&, i] { right += reads_as(mount.path("cold" + std::to_string(i)), content); });
  for (int i = 0; i < kSyncers; ++i)
    stuck.emplace_back([&, i] {
      const int file = ::open(mount.path("warm" + std::to_string(i)).c_str(), O_RDWR | O_CLOEXEC);
      right += ::fsync(file) == 0;
      ::close(file);
    });
  while (mount.device().waiting() < 4 && !watchdog.late()) std::this_thread::sleep_for(5ms);
  std::this_thread::sleep_for(100ms);  // for more of them to pile up: the harder case

  // Names, attributes, content that has not been written back: all of it in memory.
  struct statx facts{};
  for (int i = 0; i < kReaders; ++i)
    CHECK(::statx(AT_FDCWD, mount.path("cold" + std::to_string(i)).c_str(), AT_STATX_FORCE_SYNC,
                  STATX_BASIC_STATS, &facts) == 0);
  char value[16];
  CHECK(::getxattr(named.c_str(), "user.a", value, sizeof value) == 5);
  CHECK(::access(mount.path("absent").c_str(), F_OK) != 0);
  int entries = 0;
  DIR* open = ::opendir(mount.path("").c_str());
  while (::readdir(open) != nullptr) ++entries;
  ::closedir(open);
  CHECK(entries == kReaders + 20 + 2);
  CHECK(reads_as(mount.path("warm15"), "in memory"));
  // Changes are taken: only their durability waits.
  write_file(mount.path("new"), "new content", false);
  CHECK(::rename(mount.path("new").c_str(), mount.path("renamed").c_str()) == 0);
  CHECK(reads_as(mount.path("renamed"), "new content"));
  CHECK(::mkdir(mount.path("d").c_str(), 0755) == 0);
  CHECK(::unlink(mount.path("warm19").c_str()) == 0);
  CHECK(::setxattr(named.c_str(), "user.b", "value", 5, 0) == 0);
  CHECK_FALSE(watchdog.late());
  CHECK(right == 0);  // the disk did hang
  // Those that wait have the test's own threads; the mount made none for them.
  CHECK(threads_of_this_process() <= threads_before + kReaders + kSyncers + 8);

  mount.device().hang(false);
  for (std::thread& each : stuck) each.join();
  CHECK(right == kReaders + kSyncers);
}

TEST_SUITE_END();
