// SPDX-License-Identifier: Apache-2.0
// Goal: every operation of a mount takes little stack, whichever thread serves it.
// Method: a volume of its own, mounted in this process; each operation driven at its worst (long
// names, deep directories, the largest attributes and vectors, files of many extents), once
// answered where it arrives and once after a parking. FUSE threads are measured from libfuse's
// call of the handler; pool threads from their first function on; what libraries take counts.
#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"
#include "storage/block_device.h"
#include "storage/volume.h"
#include "tests/support/painted_threads.h"
#include "tests/support/parking_file_system.h"

using namespace vexfs;

namespace {

// What DESIGN asks for.
constexpr std::size_t kLimit = 4096;
// Of the pool that questions wait on: a search is no operation that a file waits for.
constexpr std::size_t kQuestionLimit = 5632;

// Resolving a name at its first call takes the dynamic linker some 3 KiB; in the daemon that is
// over for our own calls before main() (-z now). Here libraries do the same.
[[gnu::constructor]] void bind_now(int, char** arguments, char**) {
  if (std::getenv("LD_BIND_NOW") != nullptr) return;
  ::setenv("LD_BIND_NOW", "1", 1);
  ::execv("/proc/self/exe", arguments);
}

// --- the deepest call of each FUSE handler

struct Depths {
  std::mutex mutex;
  std::map<std::string, std::size_t> bytes;
  void record(const std::string& name, std::size_t used) {
    std::lock_guard lock(mutex);
    bytes[name] = std::max(bytes[name], used);
  }
};
Depths& handlers() {
  static Depths the_one;
  return the_one;
}

template <auto Member>
struct Measured;
template <class... Args, void (*fuse_lowlevel_ops::*Member)(Args...)>
struct Measured<Member> {
  static inline void (*real)(Args...) = nullptr;
  static inline std::string name;
  static void run(Args... args) {
    const StackProbe probe;
    real(args...);
    handlers().record(name, probe.used());
  }
};

template <auto Member>
void measure(fuse_lowlevel_ops& ops, const char* name) {
  Measured<Member>::real = ops.*Member;
  Measured<Member>::name = name;
  ops.*Member = Measured<Member>::run;
}

void on_init(void*, fuse_conn_info* kernel) {
  kernel->want = kernel->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPORT_SUPPORT |
                                    FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
  kernel->max_write = 1 << 20;
}

fuse_lowlevel_ops measured_operations() {
  fuse_lowlevel_ops ops{};
  ops.init = on_init;
  add_node_operations(ops);
  add_data_operations(ops);
  add_directory_operations(ops);
  add_xattr_operations(ops);
#define MEASURE(op) measure<&fuse_lowlevel_ops::op>(ops, #op)
  MEASURE(lookup), MEASURE(forget), MEASURE(forget_multi), MEASURE(getattr), MEASURE(setattr);
  MEASURE(readlink), MEASURE(mknod), MEASURE(mkdir), MEASURE(unlink), MEASURE(rmdir);
  MEASURE(symlink), MEASURE(rename), MEASURE(link), MEASURE(create), MEASURE(open), MEASURE(read);
  MEASURE(write), MEASURE(fallocate), MEASURE(lseek), MEASURE(flush), MEASURE(release);
  MEASURE(fsync), MEASURE(opendir), MEASURE(readdir), MEASURE(readdirplus), MEASURE(releasedir);
  MEASURE(fsyncdir), MEASURE(statfs), MEASURE(setxattr), MEASURE(getxattr), MEASURE(listxattr);
  MEASURE(removexattr);
#undef MEASURE
  return ops;
}

// --- a mount in this process

class Mount {
 public:
  explicit Mount(bool parks) {
    char name[] = "/tmp/vexfs-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
    const std::string image = folder_ + "/volume.vex";
    const int file = ::open(image.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(::ftruncate(file, 512 << 20) == 0);
    ::close(file);
    auto device = open_file_device(image, {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, {.log_bytes = 16 << 20}));
    auto volume = Volume::open(*std::move(device), {});
    REQUIRE(volume);
    volume_ = *std::move(volume);
    REQUIRE(FileSystem::make_root(*volume_, ::getuid(), ::getgid()));
    FileSystemOptions options;
    options.acl = true;
    auto files = FileSystem::open(*volume_, options);
    REQUIRE(files);
    files_ = std::make_unique<ParkingFileSystem>(*std::move(files), parks);
    start();
  }
  ~Mount() {
    // As from outside, so that nothing of this process waits for the mount it serves.
    CHECK(std::system(("fusermount3 -u -z " + directory()).c_str()) == 0);
    loop_.join();
    fuse_session_unmount(session_);
    border_->finish();
    fuse_session_destroy(session_);
    CHECK(files_->close());
    files_.reset();
    CHECK(volume_->close());
    std::filesystem::remove_all(folder_);
  }
  std::string directory() const { return folder_ + "/mnt"; }

 private:
  void start() {
    REQUIRE(::mkdir(directory().c_str(), 0700) == 0);
    border_ = std::make_unique<FuseBorder>(*files_, 1u);
    border_->acl = true;
    const fuse_lowlevel_ops ops = measured_operations();
    fuse_args arguments = FUSE_ARGS_INIT(0, nullptr);
    for (const char* each : {"vexfs", "-o", "default_permissions,fsname=stack-test"})
      fuse_opt_add_arg(&arguments, each);
    session_ = fuse_session_new(&arguments, &ops, sizeof ops, border_.get());
    fuse_opt_free_args(&arguments);
    REQUIRE(session_ != nullptr);
    REQUIRE(fuse_session_mount(session_, directory().c_str()) == 0);
    const fuse_custom_io hooks{write_reply, read_request, nullptr, nullptr};
    REQUIRE(fuse_session_custom_io(session_, &hooks, fuse_session_fd(session_)) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));  // until all pool threads wait
    loop_ = std::thread([this] {
      fuse_loop_config* config = fuse_loop_cfg_create();
      fuse_loop_cfg_set_max_threads(config, 4);
      fuse_session_loop_mt(session_, config);
      fuse_loop_cfg_destroy(config);
    });
  }

  std::string folder_;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<FuseBorder> border_;
  fuse_session* session_ = nullptr;
  std::thread loop_;
};

// --- what is driven

// Each step has a name; pool threads are painted before it and looked at after it.
class Driver {
 public:
  explicit Driver(std::string directory) : at_(std::move(directory)) {}

  template <class Call>
  void step(const char* name, Call call) {
    CAPTURE(name);
    paint_threads();
    const long result = static_cast<long>(call());
    const int code = errno;
    CAPTURE(std::strerror(code));
    CHECK(result >= 0);
    for (const ThreadDepth& each : thread_depths())
      if (each.name == "fuse-names" || each.name == "fuse-content" || each.name == "fuse-ask" ||
          each.name == "vexfs-files")
        pools.record(each.name + ": " + name, each.bytes);
      else
        others.record(each.name, each.bytes);
  }
  std::string path(const std::string& name) const { return at_ + "/" + name; }

  Depths pools, others;

 private:
  const std::string at_;
};

const std::string kLong(255, 'n'), kLong2(255, 'm');

int write_at(int file, std::size_t bytes, off_t offset) {
  const std::string data(bytes, 'd');
  return static_cast<int>(::pwrite(file, data.data(), data.size(), offset));
}

// A file of many extents: every second block a hole.
void make_spread(const std::string& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  for (int i = 0; i < 2000; ++i) write_at(file, 4096, i * 8192L);
  ::fsync(file);
  ::close(file);
}

void drive_names(Driver& d) {
  const std::string f = d.path(kLong), g = d.path(kLong2);
  struct stat attr{};
  char target[4096];
  d.step("lookup absent", [&] { return ::stat(f.c_str(), &attr) < 0 ? 0 : -1; });
  d.step("create", [&] { return ::close(::open(f.c_str(), O_CREAT | O_WRONLY, 0644)); });
  d.step("O_TMPFILE, linkat", [&] {
    const int file = ::open(d.path("").c_str(), O_TMPFILE | O_RDWR, 0600);
    const std::string link = "/proc/self/fd/" + std::to_string(file);
    const int made = ::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, g.c_str(), AT_SYMLINK_FOLLOW);
    ::close(file);
    return made;
  });
  d.step("rename over", [&] { return ::rename(f.c_str(), g.c_str()); });
  d.step("link", [&] { return ::link(g.c_str(), f.c_str()); });
  d.step("exchange",
         [&] { return ::renameat2(AT_FDCWD, f.c_str(), AT_FDCWD, g.c_str(), RENAME_EXCHANGE); });
  d.step("unlink", [&] { return ::unlink(g.c_str()); });
  d.step("symlink", [&] { return ::symlink(std::string(4000, 't').c_str(), g.c_str()); });
  d.step("readlink", [&] { return ::readlink(g.c_str(), target, sizeof target); });
  d.step("mknod", [&] { return ::mkfifo(d.path("fifo").c_str(), 0600); });
  d.step("statfs", [&] {
    struct statvfs facts{};
    return ::statvfs(f.c_str(), &facts);
  });
  d.step("utimens", [&] { return ::utimensat(AT_FDCWD, f.c_str(), nullptr, 0); });
  d.step("chmod", [&] { return ::chmod(f.c_str(), 0600); });
  d.step("statx", [&] {
    struct statx facts{};
    return ::statx(AT_FDCWD, f.c_str(), AT_STATX_FORCE_SYNC, STATX_ALL, &facts);
  });
}

void drive_directories(Driver& d) {
  std::string deep = d.path("deep");
  d.step("mkdir", [&] {
    int made = ::mkdir(deep.c_str(), 0755);
    for (int i = 0; i < 15; ++i)
      made |= ::mkdir((deep += "/" + std::string(250, 'd')).c_str(), 0755);
    return made;
  });
  d.step("rename of a directory, deep", [&] {
    return ::mkdir(d.path("moved").c_str(), 0755) |
           ::rename(d.path("moved").c_str(), (deep + "/moved").c_str());
  });
  for (int i = 0; i < 600; ++i)
    ::close(::open((deep + "/" + std::to_string(i) + std::string(200, 'e')).c_str(),
                   O_CREAT | O_WRONLY, 0644));
  d.step("readdir", [&] {
    int entries = 0;
    DIR* open = ::opendir(deep.c_str());
    struct stat attr{};
    while (const dirent* entry = ::readdir(open))
      entries += ::fstatat(::dirfd(open), entry->d_name, &attr, AT_SYMLINK_NOFOLLOW) == 0;
    ::closedir(open);
    return entries == 603 ? 0 : -1;
  });
  d.step("fsyncdir", [&] {
    const int open = ::open(deep.c_str(), O_RDONLY | O_DIRECTORY);
    const int synced = ::fsync(open);
    ::close(open);
    return synced;
  });
  d.step("rmdir", [&] { return ::rmdir((deep + "/moved").c_str()); });
}

void drive_content(Driver& d) {
  const std::string f = d.path("spread");
  make_spread(f);
  make_spread(d.path("other"));
  const int file = ::open(f.c_str(), O_RDWR | O_CLOEXEC);
  const int direct = ::open(f.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  const Buffer buffer = Buffer::take(1 << 20);
  d.step("write 1 MiB", [&] { return write_at(file, 1 << 20, 5000); });
  d.step("write, direct", [&] { return ::pwrite(direct, buffer.data(), 1 << 20, 8 << 20); });
  d.step("read 1 MiB, direct", [&] { return ::pread(direct, buffer.data(), 1 << 20, 4 << 20); });
  d.step("read of old content", [&] { return ::pread(file, buffer.data(), 999'999, 7'000'001); });
  d.step("lseek", [&] {
    return std::min(::lseek(file, 12'000'000, SEEK_HOLE), ::lseek(file, 12'000'000, SEEK_DATA));
  });
  d.step("fsync", [&] { return ::fsync(file); });
  d.step("punch", [&] {
    return ::fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100'001, 9'000'001);
  });
  d.step("zero range", [&] { return ::fallocate(file, FALLOC_FL_ZERO_RANGE, 5000, 20 << 20); });
  d.step("truncate", [&] { return ::ftruncate(file, 12'345); });
  d.step("fsync after it", [&] { return ::fsync(file); });
  d.step("close", [&] { return ::close(file) | ::close(direct); });
  d.step("unlink, of many extents", [&] { return ::unlink(d.path("other").c_str()); });
}

void drive_attributes(Driver& d) {
  const std::string f = d.path("attributes");
  ::close(::open(f.c_str(), O_CREAT | O_WRONLY, 0644));
  std::string value(65536, 'v');
  const std::string name = "user." + std::string(250, 'a');
  d.step("setxattr 64 KiB",
         [&] { return ::setxattr(f.c_str(), name.c_str(), value.data(), value.size(), 0); });
  d.step("getxattr", [&] { return ::getxattr(f.c_str(), name.c_str(), value.data(), 65536); });
  for (int i = 0; i < 200; ++i)
    ::setxattr(f.c_str(), ("user." + std::to_string(1000 + i) + std::string(200, 'x')).c_str(), "",
               0, 0);
  d.step("listxattr", [&] { return ::listxattr(f.c_str(), value.data(), value.size()); });
  d.step("removexattr", [&] { return ::removexattr(f.c_str(), name.c_str()); });
  const std::string list(  // owner rwx, user 1000 rwx, group r-x, mask rwx, others r-x
      "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\7\0\xe8\3\0\0\4\0\5\0\xff\xff\xff\xff"
      "\x10\0\7\0\xff\xff\xff\xff\x20\0\5\0\xff\xff\xff\xff",
      44);
  const std::string folder = d.path("listed");
  ::mkdir(folder.c_str(), 0755);
  d.step("setxattr of a list", [&] {
    return ::setxattr(folder.c_str(), "system.posix_acl_default", list.data(), list.size(), 0);
  });
  d.step("mkdir below a list", [&] { return ::mkdir((folder + "/" + kLong).c_str(), 0777); });
  d.step("chmod of a list", [&] { return ::chmod((folder + "/" + kLong).c_str(), 0700); });
}

void drive_questions(Driver& d) {
  const std::string f = d.path("text.txt");
  const int file = ::open(f.c_str(), O_CREAT | O_WRONLY, 0644);
  const std::string text = "the zebra crossed the river at dawn\n";
  for (int i = 0; i < 2000; ++i) CHECK(::write(file, text.data(), text.size()) > 0);
  ::close(file);
  std::string vector(4096 * 4, '\0'), answer(65536, '\0');
  for (std::size_t i = 0; i < vector.size(); i += 4) std::memcpy(&vector[i], "\0\0\x80\x3f", 4);
  d.step("vector of 4096", [&] {
    return ::setxattr(f.c_str(), "user.vexfs.vector", vector.data(), vector.size(), 0);
  });
  d.step("vector as JSON", [&] {
    return ::getxattr(f.c_str(), "user.vexfs.vector.json", answer.data(), answer.size());
  });
  d.step("status, waiting", [&] {
    const int status = ::open(d.path(".vexfs/status").c_str(), O_RDONLY);
    const int done = ::fsync(status);
    ::close(status);
    return done;
  });
  const std::string question("user.vexfs.search.k=20,mode=hybrid:zebra river " +
                             std::string(200, 'q'));
  d.step("search by attribute", [&] {
    return ::getxattr(d.path("").c_str(), question.c_str(), answer.data(), answer.size());
  });
  d.step("similar", [&] {
    return ::getxattr(f.c_str(), "user.vexfs.similar.k=20", answer.data(), answer.size());
  });
  d.step("search by listing", [&] {
    DIR* open = ::opendir(d.path(".vexfs/search/zebra").c_str());
    int entries = 0;
    char target[4096];
    while (const dirent* entry = ::readdir(open))
      entries += ::readlinkat(::dirfd(open), entry->d_name, target, sizeof target) > 0;
    ::closedir(open);
    return entries > 0 ? 0 : -1;
  });
  d.step("query file", [&] {
    const int query = ::open(d.path(".vexfs/query").c_str(), O_RDWR);
    const std::string asked = R"({"text":"zebra","k":5})"
                              "\n";
    CHECK(::write(query, asked.data(), asked.size()) > 0);
    const ssize_t got = ::read(query, answer.data(), answer.size());
    ::close(query);
    return got > 0 ? 0 : -1;
  });
}

void print(const char* title, Depths& depths) {
  for (const auto& [name, bytes] : depths.bytes)
    std::printf("%s %-44s %5zu\n", title, name.c_str(), bytes);
}

}  // namespace

TEST_SUITE_BEGIN("fs/stack");

TEST_CASE("every operation takes little stack") {
  for (const bool parks : {false, true}) {
    CAPTURE(parks);
    handlers().bytes.clear();
    Depths pools, others;
    {
      Mount mount(parks);
      Driver driver(mount.directory());
      drive_names(driver);
      drive_directories(driver);
      drive_content(driver);
      drive_attributes(driver);
      drive_questions(driver);
      pools.bytes = driver.pools.bytes;
      others.bytes = driver.others.bytes;
    }
    print(parks ? "parking handler" : "handler", handlers());
    print(parks ? "parked pool" : "pool", pools);
    print("not of an operation", others);
    CHECK(handlers().bytes.size() >= 30);
    for (const Depths* each : {&handlers(), &pools})
      for (const auto& [name, bytes] : each->bytes) {
        CAPTURE(name);
        CHECK(bytes > 0);
        CHECK(bytes < (name.starts_with("fuse-ask") ? kQuestionLimit : kLimit));
      }
  }
}

TEST_SUITE_END();
