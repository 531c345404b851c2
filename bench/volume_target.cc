// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <unordered_map>
#include <vector>

#include "base/memory_governor.h"
#include "bench/target.h"
#include "fs/file_system.h"
#include "storage/volume.h"

namespace vexfs::bench {

namespace {

const Caller kCaller{};
constexpr Wait kWait = Wait::allowed;

template <class T>
T ok(Result<T> result, const char* call) {
  if (!result) {
    std::fprintf(stderr, "%s: %s (%s)\n", call, result.error().what,
                 std::strerror(result.error().code));
    std::exit(2);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class VolumeTarget final : public Target {
 public:
  VolumeTarget(const std::string& directory, const VolumeTargetOptions& options)
      : image_(directory + "/bench-below.vex") {
    const int fd = ::open(image_.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0 || ::ftruncate(fd, static_cast<off_t>(options.bytes)) != 0) {
      std::perror(image_.c_str());
      std::exit(2);
    }
    ::close(fd);
    {
      auto device = ok(open_file_device(image_, {}), "device");
      ok(Volume::format(*device, {}), "format");
    }
    VolumeOptions volume_options;
    volume_options.cache_bytes = memory_shares(options.memory_bytes).page_cache;
    volume_ =
        ok(Volume::open(ok(open_file_device(image_, {}), "device"), volume_options), "volume");
    ok(FileSystem::make_root(*volume_, 0, 0), "root");
    FileSystemOptions files_options;
    files_options.memory_bytes = options.memory_bytes;
    fs_ = ok(FileSystem::open(*volume_, files_options), "file system");
    directory_ = ok(fs_->mkdir(kCaller, kRootNode, "bench", 0755, kWait), "mkdir").node;
  }
  ~VolumeTarget() override {
    ok(fs_->close(), "close");
    fs_.reset();
    ok(volume_->close(), "close");
    ::unlink(image_.c_str());
  }
  std::string where() const override { return "below"; }

  void mkdir(const std::string& name) override {
    forget(ok(fs_->mkdir(kCaller, directory_, name, 0755, kWait), "mkdir"));
  }
  void create(const std::string& name) override {
    const auto made =
        ok(fs_->create(kCaller, directory_, name, S_IFREG | 0644, O_WRONLY, kWait), "create");
    close_file(made.entry.node, made.opened.handle);
  }
  bool exists(const std::string& name) override {
    const auto found = fs_->lookup(kCaller, directory_, name, kWait);
    if (!found || found->node == 0) return false;
    forget(*found);
    return true;
  }
  bool getattr(const std::string& name) override {
    const auto found = fs_->lookup(kCaller, directory_, name, kWait);
    if (!found) return false;
    const bool known = fs_->getattr(kCaller, found->node, kWait).has_value();
    forget(*found);
    return known;
  }
  void statfs() override { ok(fs_->statfs(directory_, kWait), "statfs"); }
  void rename(const std::string& from, const std::string& to) override {
    ok(fs_->rename(kCaller, directory_, from, directory_, to, 0, kWait), "rename");
  }
  void unlink(const std::string& name) override {
    ok(fs_->unlink(kCaller, directory_, name, kWait), "unlink");
  }
  void rmdir(const std::string& name) override {
    ok(fs_->rmdir(kCaller, directory_, name, kWait), "rmdir");
  }
  std::size_t list() override {
    const Opened opened = ok(fs_->opendir(kCaller, directory_, kWait), "opendir");
    std::size_t count = 0;
    std::uint64_t after = 0;
    for (bool more = true; more;) {
      more = false;
      std::vector<Entry> seen;
      const auto take = [&](const DirectoryEntry& entry) {
        after = entry.next;
        more = true;
        ++count;
        if (entry.entry != nullptr && entry.name != "." && entry.name != "..")
          seen.push_back(*entry.entry);
        return seen.size() < 100;
      };
      ok(fs_->readdir(kCaller, directory_, opened.handle, after, true, take, kWait), "readdir");
      for (const Entry& entry : seen) forget(entry);
    }
    fs_->releasedir(directory_, opened.handle);
    return count - 2;
  }
  void set_xattr(const std::string& file, const std::string& name, Bytes value) override {
    const NodeId node = look_up(file);
    ok(fs_->setxattr(kCaller, node, name, value, 0, kWait), "setxattr");
    done_with(file, node);
  }
  std::string xattr(const std::string& file, const std::string& name) override {
    const NodeId node = look_up(file);
    std::string value = ok(fs_->getxattr(kCaller, node, name, kXattrBytesMax, kWait), "getxattr");
    done_with(file, node);
    return value;
  }

  File open(const std::string& name) override {
    const auto made =
        ok(fs_->create(kCaller, directory_, name, S_IFREG | 0644, O_RDWR, kWait), "open");
    open_.emplace(made.opened.handle, made.entry.node);
    return made.opened.handle;
  }
  void write(File file, std::uint64_t offset, Bytes from) override {
    ok(fs_->write(kCaller, open_.at(file), file, offset, from, kWait), "write");
  }
  std::size_t read(File file, std::uint64_t offset, MutableBytes into) override {
    return ok(fs_->read(kCaller, open_.at(file), file, offset, into, kWait), "read");
  }
  void sync(File file) override {
    std::promise<Result<>> done;
    fs_->fsync(kCaller, open_.at(file), file, false, [&](Result<> r) { done.set_value(r); });
    ok(done.get_future().get(), "fsync");
  }
  void close(File file) override {
    close_file(open_.at(file), file);
    open_.erase(file);
  }
  void drop_caches(File) override {}  // file data is cached by the kernel, not below it

  std::string ask(const std::string& line) override {
    if (query_.handle == 0) open_query();
    const std::string question = line + "\n";
    ok(fs_->write(kCaller, query_node_, query_.handle, 0, as_bytes(question), kWait), "ask");
    std::string answer, buffer(64 << 10, '\0');
    while (const std::size_t bytes = ok(fs_->read(kCaller, query_node_, query_.handle, 0,
                                                  std::as_writable_bytes(std::span(buffer)), kWait),
                                        "answer"))
      answer.append(buffer, 0, bytes);
    return answer;
  }
  void wait_until_indexed() override {
    const Entry hidden = ok(fs_->lookup(kCaller, directory_, ".vexfs", kWait), "lookup");
    const Entry status = ok(fs_->lookup(kCaller, hidden.node, "status", kWait), "lookup");
    std::promise<Result<>> done;
    fs_->fsync(kCaller, status.node, 0, false, [&](Result<> r) { done.set_value(r); });
    ok(done.get_future().get(), "wait");
    forget(status);
    forget(hidden);
  }

 private:
  void forget(const Entry& entry) { fs_->forget(entry.node, 1); }
  NodeId look_up(const std::string& file) {
    if (file.empty()) return directory_;
    return ok(fs_->lookup(kCaller, directory_, file, kWait), "lookup").node;
  }
  void done_with(const std::string& file, NodeId node) {
    if (!file.empty()) fs_->forget(node, 1);
  }
  void close_file(NodeId node, std::uint64_t handle) {
    ok(fs_->flush(kCaller, node, handle, kWait), "flush");
    fs_->release(node, handle, 0);
    fs_->forget(node, 1);
  }
  void open_query() {
    const Entry hidden = ok(fs_->lookup(kCaller, directory_, ".vexfs", kWait), "lookup");
    query_node_ = ok(fs_->lookup(kCaller, hidden.node, "query", kWait), "lookup").node;
    query_ = ok(fs_->open_file(kCaller, query_node_, O_RDWR, kWait), "open");
  }

  const std::string image_;
  std::unique_ptr<Volume> volume_;
  std::unique_ptr<FileSystem> fs_;
  NodeId directory_ = 0, query_node_ = 0;
  Opened query_;
  std::unordered_map<File, NodeId> open_;
};

}  // namespace

std::unique_ptr<Target> volume_target(const std::string& directory,
                                      const VolumeTargetOptions& options) {
  return std::make_unique<VolumeTarget>(directory, options);
}

std::vector<std::unique_ptr<Target>> targets_of(int argc, char** argv,
                                                const VolumeTargetOptions& below) {
  std::vector<std::unique_ptr<Target>> targets;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--dir") == 0)
      targets.push_back(posix_target(argv[i + 1]));
    else if (std::strcmp(argv[i], "--below") == 0)
      targets.push_back(volume_target(argv[i + 1], below));
  }
  if (targets.empty()) {
    std::fprintf(stderr,
                 "usage: %s --dir DIR | --below DIR ...\n"
                 "  --dir DIR    through the file system that DIR is on (a mount, or its peer)\n"
                 "  --below DIR  straight on a volume made in DIR, without a mount\n",
                 argv[0]);
    std::exit(2);
  }
  return targets;
}

}  // namespace vexfs::bench
