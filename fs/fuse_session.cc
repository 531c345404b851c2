// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_session.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"
#include "fs/kernel_read_ahead.h"

namespace vexfs {

namespace {

constexpr unsigned kRequestBytesMax = 1 << 20;  // one write or read
constexpr unsigned kBackgroundMax = 64;         // parked by the kernel: readahead, async I/O
constexpr const char* kStackBytes = "131072";   // of libfuse's threads; handlers use under 4 KiB
constexpr int kWakeSignal = SIGUSR2;            // interrupts libfuse's wait in run()

// What is agreed with the kernel. libfuse's own defaults are dropped first, so that each
// capability in force is named here.
void negotiate(fuse_conn_info& kernel, bool writeback, bool acl) {
  kernel.want = 0;
  const auto take = [&kernel](unsigned capability) { kernel.want |= kernel.capable & capability; };
  take(FUSE_CAP_ASYNC_READ);        // several reads of one file in flight: readahead
  take(FUSE_CAP_ASYNC_DIO);         // the same for O_DIRECT
  take(FUSE_CAP_PARALLEL_DIROPS);   // lookups in one directory side by side
  take(FUSE_CAP_READDIRPLUS);       // a listing brings the attributes along …
  take(FUSE_CAP_READDIRPLUS_AUTO);  // … where the kernel sees that they are used
  take(FUSE_CAP_CACHE_SYMLINKS);    // targets never change; computed links get fresh nodes
  take(FUSE_CAP_EXPORT_SUPPORT);    // file handles: inode numbers and generations are stable
  // All changes come through this kernel, so it need never drop pages because mtime moved: its
  // own writes move it. (AUTO_INVAL_DATA would empty the cache after every write.)
  take(FUSE_CAP_EXPLICIT_INVAL_DATA);
  // Small writes gathered by the kernel: 4 KiB writes 5.2 -> 0.7 us, but setxattr, unlink and stat
  // after close get dearer and writes arrive late, so only on request.
  if (writeback) take(FUSE_CAP_WRITEBACK_CACHE);
  if (acl) {
    take(FUSE_CAP_POSIX_ACL);  // the kernel asks for the lists and obeys them …
    take(FUSE_CAP_DONT_MASK);  // … and a default list takes the place of the umask
  }
  // Left out on purpose:
  //   ATOMIC_O_TRUNC    O_TRUNC then comes as a truncation of its own, one road for both
  //   HANDLE_KILLPRIV   its successor is accepted in fs/fuse_wire.cc: 64 B write 8.0 -> 3.6 us
  //   POSIX_LOCKS, FLOCK_LOCKS   one machine, so the kernel's own locks are right
  //   NO_OPEN_SUPPORT, NO_OPENDIR_SUPPORT   open files have state (direct_io, queries)
  //   SPLICE_*, IOCTL_DIR   no gain measured; no ioctl
  kernel.max_write = kRequestBytesMax;
  // As far as the mount's device has been told: the kernel takes the lesser of the two.
  kernel.max_readahead = std::max<unsigned>(kernel.max_readahead, kRequestBytesMax);
  kernel.max_background = kBackgroundMax;
  kernel.congestion_threshold = kBackgroundMax * 3 / 4;
  kernel.time_gran = 1;  // time stamps in nanoseconds
}

void on_init(void* data, fuse_conn_info* kernel) noexcept {
  FuseBorder& border = *static_cast<FuseBorder*>(data);
  negotiate(*kernel, border.writeback_wanted, border.acl);
  log(Level::info, "fuse", "connected",
      {{"protocol_minor", kernel->proto_minor}, {"max_write", kernel->max_write}});
  if (border.on_ready) border.on_ready();
}

// libfuse's own words (a mount that is refused, mostly) go to the log.
void on_libfuse_log(fuse_log_level level, const char* words, va_list arguments) noexcept {
  std::array<char, 512> line;
  std::vsnprintf(line.data(), line.size(), words, arguments);
  std::string_view text(line.data());
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (!text.empty()) log(level <= FUSE_LOG_ERR ? Level::error : Level::info, "libfuse", text);
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.init = on_init;
  add_node_operations(ops);
  add_data_operations(ops);
  add_directory_operations(ops);
  add_xattr_operations(ops);
  return ops;
}

// "," and "\" have a meaning in a mount option.
std::string escaped(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == ',' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string mount_options(const FuseOptions& options) {
  // subtype: `mount` shows fuse.vexfs, which updatedb and backups can leave out by type.
  std::string text = "default_permissions,subtype=vexfs,fsname=" + escaped(options.source);
  if (options.read_only) text += ",ro";
  if (options.allow_other) text += ",allow_other";
  if (options.auto_unmount) text += ",auto_unmount";
  if (options.suid) text += ",suid";  // libfuse's default is nosuid,nodev
  if (options.dev) text += ",dev";
  if (!options.kernel_options.empty()) text += "," + options.kernel_options;
  return text;
}

// The arguments of fuse_session_new(), freed as libfuse wants it.
class Arguments {
 public:
  explicit Arguments(const std::string& options) {
    for (const char* each : {"vexfs", "-o", options.c_str()}) fuse_opt_add_arg(&list_, each);
  }
  ~Arguments() { fuse_opt_free_args(&list_); }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  fuse_args* list() { return &list_; }

 private:
  fuse_args list_ = FUSE_ARGS_INIT(0, nullptr);
};

class LibfuseSession final : public FuseSession {
 public:
  LibfuseSession(FileSystem& files, unsigned cores, ParkedRequests::Limits parked)
      : cores_(cores), border_(files, cores, parked) {}

  ~LibfuseSession() override {
    unmount();
    if (session_ != nullptr) fuse_session_destroy(session_);
  }

  Result<> mount(FuseOptions options) {
    fuse_set_log_func(on_libfuse_log);
    border_.on_ready = std::move(options.on_ready);
    border_.writeback_wanted = options.writeback;
    border_.acl = options.acl;
    const fuse_lowlevel_ops ops = operations();
    Arguments arguments(mount_options(options));
    session_ = fuse_session_new(arguments.list(), &ops, sizeof ops, &border_);
    if (session_ == nullptr) return fail(EINVAL, "fuse: libfuse refuses the mount options");
    if (fuse_session_mount(session_, options.mountpoint.c_str()) != 0)
      return fail(EIO, "fuse: the mount was refused");
    mounted_ = true;
    // A cold file in one stream: 128 KiB ahead 730 MiB/s, 1 MiB 1050. Root's; others keep 128 KiB.
    set_kernel_read_ahead(options.mountpoint, kRequestBytesMax);
    const fuse_custom_io hooks{.writev = write_reply,
                               .read = read_request,
                               .splice_receive = nullptr,
                               .splice_send = nullptr};
    if (fuse_session_custom_io(session_, &hooks, fuse_session_fd(session_)) != 0)
      return fail(EIO, "fuse: libfuse takes no hooks");
    return {};
  }

  Result<> run() override {
    struct sigaction wake{};
    wake.sa_handler = [](int) {};
    sigaction(kWakeSignal, &wake, nullptr);
    runner_ = pthread_self();
    setenv("FUSE_THREAD_STACK", kStackBytes, /*overwrite=*/1);
    fuse_loop_config* config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_clone_fd(config, 0);                            // no gain measured
    fuse_loop_cfg_set_max_threads(config, std::max(4u, 2 * cores_));  // idle ones are kept
    running(true);
    const int result = fuse_session_loop_mt(session_, config);
    running(false);
    fuse_loop_cfg_destroy(config);
    if (result < 0) return fail(-result, "fuse: the connection to the kernel failed");
    return {};
  }

  void unmount() override {
    border_.finish();
    if (mounted_) fuse_session_unmount(session_);
    mounted_ = false;
  }

  void stop() override {
    fuse_session_exit(session_);
    // libfuse looks at that flag when its wait returns, which a signal makes it do; one that
    // comes just before the wait is lost, hence again until run() has ended.
    Lock lock(mutex_);
    while (running_) {
      pthread_kill(runner_, kWakeSignal);
      ended_.wait_for(mutex_, std::chrono::milliseconds(10));
    }
  }

 private:
  void running(bool now) {
    Lock lock(mutex_);
    running_ = now;
    ended_.notify_all();
  }

  const unsigned cores_;
  FuseBorder border_;
  fuse_session* session_ = nullptr;
  bool mounted_ = false;
  pthread_t runner_{};
  Mutex mutex_;
  CondVar ended_;
  bool running_ GUARDED_BY(mutex_) = false;
};

}  // namespace

Result<std::unique_ptr<FuseSession>> FuseSession::mount(FileSystem& files, FuseOptions options) {
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  auto session = std::make_unique<LibfuseSession>(files, cores, options.parked);
  VEXFS_CHECK(session->mount(std::move(options)));
  return std::unique_ptr<FuseSession>(std::move(session));
}

}  // namespace vexfs
