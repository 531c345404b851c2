// SPDX-License-Identifier: Apache-2.0
// Goal: what a program asks reaches the FileSystem and comes back the same, whether the request
// is answered at once or parked; nothing handed to the kernel is lost track of.
// Method: a file system of memory, mounted in this process, that can be told to answer nothing
// without waiting, to be slow, or to fail.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "fs/fuse_session.h"
#include "tests/support/mem_file_system.h"

using namespace vexfs;
using namespace std::chrono_literals;
namespace stdfs = std::filesystem;

namespace {

constexpr std::string_view kSlow = "user.vexfs.slow";  // a question: getxattr of it waits
constexpr std::string_view kWrong = "user.wrong";      // getxattr of it fails with EUCLEAN

class ParkingFileSystem final : public MemFileSystem {
 public:
  explicit ParkingFileSystem(bool parks) : MemFileSystem(::getuid(), ::getgid()), parks_(parks) {}

  void release_slow() { slow_ends_ = true; }
  void hang_reads(bool now) { reads_hang_ = now; }
  int slow_runs() const { return slow_runs_; }  // so far

  Result<Entry> lookup(const Caller& caller, NodeId parent, std::string_view name,
                       Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::lookup(caller, parent, name, wait);
  }
  Result<Attributes> getattr(const Caller& caller, NodeId node, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::getattr(caller, node, wait);
  }
  Result<Entry> symlink(const Caller& caller, std::string_view target, NodeId parent,
                        std::string_view name, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::symlink(caller, target, parent, name, wait);
  }
  Result<> rename(const Caller& caller, NodeId parent, std::string_view name, NodeId new_parent,
                  std::string_view new_name, unsigned flags, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::rename(caller, parent, name, new_parent, new_name, flags, wait);
  }
  Result<Created> create(const Caller& caller, NodeId parent, std::string_view name, mode_t mode,
                         int flags, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::create(caller, parent, name, mode, flags, wait);
  }
  Result<Opened> open_file(const Caller& caller, NodeId node, int flags, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::open_file(caller, node, flags, wait);
  }
  Result<std::size_t> read(const Caller& caller, NodeId node, std::uint64_t handle,
                           std::uint64_t offset, MutableBytes into, Wait wait) override {
    if (parked(wait)) return again();
    while (reads_hang_) std::this_thread::sleep_for(1ms);
    return MemFileSystem::read(caller, node, handle, offset, into, wait);
  }
  Result<std::size_t> write(const Caller& caller, NodeId node, std::uint64_t handle,
                            std::uint64_t offset, Bytes from, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::write(caller, node, handle, offset, from, wait);
  }
  Result<> readdir(const Caller& caller, NodeId node, std::uint64_t handle, std::uint64_t after,
                   bool plus, EmitEntry emit, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::readdir(caller, node, handle, after, plus, emit, wait);
  }
  Result<> setxattr(const Caller& caller, NodeId node, std::string_view name, Bytes value,
                    int flags, Wait wait) override {
    if (parked(wait)) return again();
    return MemFileSystem::setxattr(caller, node, name, value, flags, wait);
  }
  Result<std::string> getxattr(const Caller& caller, NodeId node, std::string_view name,
                               std::size_t asked, Wait wait) override {
    if (name == kWrong) return fail(EUCLEAN, "test: wrong");
    if (name == kSlow) {
      if (wait == Wait::never) return again();
      ++slow_runs_;
      while (!slow_ends_) std::this_thread::sleep_for(1ms);
      return std::string("at last");
    }
    if (parked(wait)) return again();
    return MemFileSystem::getxattr(caller, node, name, asked, wait);
  }
  // A file's fsync takes its time, on a thread of its own.
  void fsync(const Caller&, NodeId, std::uint64_t, bool, Done done) override {
    std::thread([done = std::move(done)]() mutable {
      std::this_thread::sleep_for(100ms);
      done({});
    }).detach();
  }

 private:
  bool parked(Wait wait) const { return parks_ && wait == Wait::never; }
  static std::unexpected<Error> again() { return fail(EAGAIN, "test: has to wait"); }
  const bool parks_;
  std::atomic<int> slow_runs_ = 0;
  std::atomic<bool> slow_ends_ = false, reads_hang_ = false;
};

// A mount that ends with the case.
class TestMount {
 public:
  explicit TestMount(bool parks, ParkedRequests::Limits parked = {}) : files_(parks) {
    char name[] = "/tmp/vexfs-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    directory_ = name;
    auto session =
        FuseSession::mount(files_, {.mountpoint = directory_, .source = "test", .parked = parked});
    REQUIRE(session);
    session_ = *std::move(session);
    loop_ = std::thread([this] { CHECK(session_->run()); });
    struct stat attr{};
    REQUIRE(::stat(directory_.c_str(), &attr) == 0);  // waits for the first answer
  }
  ~TestMount() {
    files_.release_slow();
    files_.hang_reads(false);
    session_->stop();
    loop_.join();
    session_->unmount();
    session_.reset();
    ::rmdir(directory_.c_str());
  }
  ParkingFileSystem& files() { return files_; }
  std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }

 private:
  ParkingFileSystem files_;
  std::string directory_;
  std::unique_ptr<FuseSession> session_;
  std::thread loop_;
};

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string xattr_of(const std::string& path, std::string_view name, std::size_t room) {
  std::string value(room, '\0');
  const ssize_t got = ::getxattr(path.c_str(), std::string(name).c_str(), value.data(), room);
  if (got < 0) return std::strerror(errno);
  if (room > 0) value.resize(static_cast<std::size_t>(got));
  return room > 0 ? value : std::to_string(got);
}

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

}  // namespace

TEST_SUITE_BEGIN("fs/fuse_border");

TEST_CASE("calls come back the same, answered at once or parked") {
  for (const bool parks : {false, true}) {
    CAPTURE(parks);
    TestMount mount(parks);
    const std::string content(300'000, 'c');
    write_file(mount.path("f"), content);
    CHECK(content_of(mount.path("f")) == content);
    stdfs::rename(mount.path("f"), mount.path("g"));
    CHECK_FALSE(stdfs::exists(mount.path("f")));
    stdfs::create_symlink("g", mount.path("link"));
    CHECK(stdfs::read_symlink(mount.path("link")) == "g");
    CHECK(content_of(mount.path("link")) == content);
    for (int i = 0; i < 500; ++i) write_file(mount.path("n" + std::to_string(i)), "");
    std::size_t entries = 0;
    for (const auto& entry : stdfs::directory_iterator(mount.path(""))) {
      CHECK(entry.exists());
      ++entries;
    }
    CHECK(entries == 502);
  }
}

TEST_CASE("an attribute's size, value and a buffer too small for it") {
  for (const bool parks : {false, true}) {
    CAPTURE(parks);
    TestMount mount(parks);
    write_file(mount.path("f"), "");
    const std::string value(60'000, 'v');
    REQUIRE(::setxattr(mount.path("f").c_str(), "user.a", value.data(), value.size(), 0) == 0);
    CHECK(xattr_of(mount.path("f"), "user.a", 0) == "60000");
    CHECK(xattr_of(mount.path("f"), "user.a", 64 << 10) == value);
    CHECK(xattr_of(mount.path("f"), "user.a", 100) == std::strerror(ERANGE));
    CHECK(xattr_of(mount.path("f"), "user.none", 100) == std::strerror(ENODATA));
    CHECK(xattr_of(mount.path("f"), kWrong, 100) == std::strerror(EUCLEAN));
    CHECK(xattr_of(mount.path("f"), "system.posix_acl_access", 100) == std::strerror(EOPNOTSUPP));
  }
}

TEST_CASE("what was handed to the kernel comes back when it is forgotten") {
  TestMount mount(/*parks=*/true);
  for (int i = 0; i < 200; ++i) write_file(mount.path("n" + std::to_string(i)), "x");
  for (const auto& entry : stdfs::directory_iterator(mount.path(""))) CHECK(entry.exists());
  for (int i = 0; i < 200; ++i) stdfs::remove(mount.path("n" + std::to_string(i)));
  CHECK(soon([&] { return mount.files().nodes_held() == 1; }));
}

TEST_CASE("a slow question does not hold up files, and an interrupt ends it with EINTR") {
  TestMount mount(/*parks=*/true);
  write_file(mount.path("f"), "content");
  struct sigaction wake{};
  wake.sa_handler = [](int) {};  // without SA_RESTART: the call comes back
  sigaction(SIGUSR1, &wake, nullptr);
  std::string answer;
  std::thread asker([&] { answer = xattr_of(mount.path("f"), kSlow, 100); });
  REQUIRE(soon([&] { return mount.files().slow_runs() == 1; }));
  CHECK(content_of(mount.path("f")) == "content");
  pthread_kill(asker.native_handle(), SIGUSR1);
  asker.join();
  CHECK(answer == std::strerror(EINTR));
  mount.files().release_slow();
  CHECK(xattr_of(mount.path("f"), kSlow, 100) == "at last");
}

// Several that ask a slow question of one file; each writes what it was told.
class Askers {
 public:
  Askers(const std::string& path, std::size_t count) : answers_(count) {
    for (std::string& answer : answers_)
      threads_.emplace_back([&answer, path] { answer = xattr_of(path, kSlow, 100); });
  }
  std::thread& last() { return threads_.back(); }
  std::vector<std::string> answers() {
    for (std::thread& each : threads_) each.join();
    threads_.clear();
    return answers_;
  }

 private:
  std::vector<std::string> answers_;
  std::vector<std::thread> threads_;
};

TEST_CASE("reads that hang do not hold up names and attributes that have to wait") {
  TestMount mount(/*parks=*/true);
  const std::size_t readers = 4 * std::thread::hardware_concurrency() + 8;  // more than workers
  for (std::size_t i = 0; i < readers; ++i) write_file(mount.path(std::to_string(i)), "content");
  mount.files().hang_reads(true);
  Gauge& parked = metrics::gauge("vexfs_fuse_parked_requests", "Requests that wait on a worker");
  std::vector<std::thread> threads;
  std::atomic<std::size_t> right = 0;
  for (std::size_t i = 0; i < readers; ++i)
    threads.emplace_back(
        [&, i] { right += content_of(mount.path(std::to_string(i))) == "content"; });
  REQUIRE(soon([&] { return parked.value() == static_cast<std::int64_t>(readers); }));
  write_file(mount.path("new"), "");
  stdfs::rename(mount.path("new"), mount.path("old"));
  CHECK(stdfs::exists(mount.path("old")));
  CHECK(::setxattr(mount.path("old").c_str(), "user.a", "v", 1, 0) == 0);
  CHECK(xattr_of(mount.path("old"), "user.a", 10) == "v");
  CHECK(right == 0);
  mount.files().hang_reads(false);
  for (std::thread& each : threads) each.join();
  CHECK(right == readers);
}

TEST_CASE("a question that was interrupted before its turn is not asked") {
  TestMount mount(/*parks=*/false);
  write_file(mount.path("f"), "");
  struct sigaction wake{};
  wake.sa_handler = [](int) {};
  sigaction(SIGUSR1, &wake, nullptr);
  const auto workers = static_cast<int>(std::max(1u, std::thread::hardware_concurrency())) + 2;
  Askers first(mount.path("f"), static_cast<std::size_t>(workers));
  REQUIRE(soon([&] { return mount.files().slow_runs() == workers; }));
  Gauge& parked = metrics::gauge("vexfs_fuse_parked_requests", "Requests that wait on a worker");
  Askers late(mount.path("f"), 1);
  REQUIRE(soon([&] { return parked.value() == workers + 1; }));
  pthread_kill(late.last().native_handle(), SIGUSR1);
  CHECK(late.answers() == std::vector<std::string>{std::strerror(EINTR)});
  mount.files().release_slow();
  for (const std::string& answer : first.answers()) CHECK(answer == "at last");
  CHECK(soon([&] { return parked.value() == 0; }));
  CHECK(mount.files().slow_runs() == workers);
}

TEST_CASE("so many requests are parked, and the next waits where it arrived") {
  TestMount mount(/*parks=*/false, {.count = 2});
  write_file(mount.path("f"), "content");
  Counter& full = metrics::counter("vexfs_fuse_parking_full_total",
                                   "Requests that had to wait for a place to wait in");
  Gauge& parked = metrics::gauge("vexfs_fuse_parked_requests", "Requests that wait on a worker");
  const std::uint64_t full_before = full.value();
  Askers askers(mount.path("f"), 3);
  REQUIRE(soon([&] { return full.value() == full_before + 1; }));
  CHECK(parked.value() == 2);
  CHECK(mount.files().slow_runs() == 2);
  CHECK(content_of(mount.path("f")) == "content");  // by another thread of the session
  mount.files().release_slow();
  for (const std::string& answer : askers.answers()) CHECK(answer == "at last");
  CHECK(soon([&] { return parked.value() == 0; }));
}

TEST_CASE("what parked requests carry is bounded, but for one") {
  ParkedRequests requests({.count = 100, .bytes = 10});
  auto large = std::make_optional(requests.take(1000));
  std::atomic<bool> taken = false;
  std::thread next([&] {
    const auto place = requests.take(1);
    taken = true;
  });
  const auto none = requests.take(0);  // what carries nothing does not wait
  std::this_thread::sleep_for(20ms);
  CHECK_FALSE(taken);
  large.reset();
  next.join();
  CHECK(taken);
}

TEST_CASE("an interrupt does not end the fsync of a file") {
  TestMount mount(/*parks=*/false);
  struct sigaction wake{};
  wake.sa_handler = [](int) {};
  sigaction(SIGUSR1, &wake, nullptr);
  const int file = ::open(mount.path("f").c_str(), O_CREAT | O_WRONLY, 0600);
  int result = -1;
  std::thread writer([&] { result = ::fsync(file); });
  std::this_thread::sleep_for(20ms);
  pthread_kill(writer.native_handle(), SIGUSR1);
  writer.join();
  CHECK(result == 0);
  ::close(file);
}

TEST_SUITE_END();
