// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "bench/target.h"

namespace vexfs::bench {

namespace {

long ok(long result, const char* call) {
  if (result >= 0) return result;
  std::perror(call);
  std::exit(2);
}

class PosixTarget final : public Target {
 public:
  explicit PosixTarget(const std::string& directory) : mount_(directory) {
    std::string path = directory + "/bench-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) ok(-1, "mkdtemp");
    path_ = path;
    directory_ = static_cast<int>(ok(::open(path.c_str(), O_RDONLY | O_DIRECTORY), "open"));
  }
  ~PosixTarget() override {
    if (query_ >= 0) ::close(query_);
    ::close(directory_);
    ::rmdir(path_.c_str());
  }
  std::string where() const override { return mount_; }

  void mkdir(const std::string& name) override {
    ok(::mkdirat(directory_, name.c_str(), 0755), "mkdir");
  }
  void create(const std::string& name) override {
    ::close(static_cast<int>(
        ok(::openat(directory_, name.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0644), "create")));
  }
  bool exists(const std::string& name) override {
    struct stat attr;
    return ::fstatat(directory_, name.c_str(), &attr, 0) == 0;
  }
  bool getattr(const std::string& name) override {
    struct statx attr;
    return ::statx(directory_, name.c_str(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &attr) == 0;
  }
  void statfs() override {
    struct statvfs facts;
    ok(::fstatvfs(directory_, &facts), "statfs");
  }
  void rename(const std::string& from, const std::string& to) override {
    ok(::renameat(directory_, from.c_str(), directory_, to.c_str()), "rename");
  }
  void unlink(const std::string& name) override {
    ok(::unlinkat(directory_, name.c_str(), 0), "unlink");
  }
  void rmdir(const std::string& name) override {
    ok(::unlinkat(directory_, name.c_str(), AT_REMOVEDIR), "rmdir");
  }
  std::size_t list() override {
    DIR* stream = ::opendir(path_.c_str());
    if (stream == nullptr) ok(-1, "opendir");
    std::size_t count = 0;
    struct stat attr;
    while (const dirent* entry = ::readdir(stream))
      count += ::fstatat(directory_, entry->d_name, &attr, AT_SYMLINK_NOFOLLOW) == 0;
    ::closedir(stream);
    return count - 2;
  }
  void set_xattr(const std::string& file, const std::string& name, Bytes value) override {
    ok(::setxattr((path_ + "/" + file).c_str(), name.c_str(), value.data(), value.size(), 0),
       "setxattr");
  }
  std::string xattr(const std::string& file, const std::string& name) override {
    std::string value(64 << 10, '\0');
    const std::string path = file.empty() ? path_ : path_ + "/" + file;
    value.resize(static_cast<std::size_t>(
        ok(::getxattr(path.c_str(), name.c_str(), value.data(), value.size()), "getxattr")));
    return value;
  }

  File open(const std::string& name) override {
    return static_cast<File>(
        ok(::openat(directory_, name.c_str(), O_CREAT | O_RDWR, 0644), "open"));
  }
  void write(File file, std::uint64_t offset, Bytes from) override {
    ok(::pwrite(static_cast<int>(file), from.data(), from.size(), static_cast<off_t>(offset)),
       "pwrite");
  }
  std::size_t read(File file, std::uint64_t offset, MutableBytes into) override {
    return static_cast<std::size_t>(
        ok(::pread(static_cast<int>(file), into.data(), into.size(), static_cast<off_t>(offset)),
           "pread"));
  }
  void sync(File file) override { ok(::fsync(static_cast<int>(file)), "fsync"); }
  void close(File file) override { ok(::close(static_cast<int>(file)), "close"); }
  void drop_caches(File file) override {
    ok(::posix_fadvise(static_cast<int>(file), 0, 0, POSIX_FADV_DONTNEED), "fadvise");
  }

  std::string ask(const std::string& line) override {
    if (query_ < 0)
      query_ = static_cast<int>(ok(::open((path_ + "/.vexfs/query").c_str(), O_RDWR), "query"));
    const std::string question = line + "\n";
    ok(::write(query_, question.data(), question.size()), "ask");
    std::string answer, buffer(64 << 10, '\0');
    while (const auto bytes =
               static_cast<std::size_t>(ok(::read(query_, buffer.data(), buffer.size()), "answer")))
      answer.append(buffer, 0, bytes);
    return answer;
  }
  void wait_until_indexed() override {
    const int status =
        static_cast<int>(ok(::open((path_ + "/.vexfs/status").c_str(), O_RDONLY), "status"));
    ok(::fsync(status), "wait");
    ::close(status);
  }

 private:
  const std::string mount_;
  std::string path_;
  int directory_ = -1;
  int query_ = -1;
};

}  // namespace

std::unique_ptr<Target> posix_target(const std::string& directory) {
  return std::make_unique<PosixTarget>(directory);
}

}  // namespace vexfs::bench
