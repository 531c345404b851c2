// SPDX-License-Identifier: Apache-2.0
#include "src/termination.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "base/log.h"
#include "fs/fuse_session.h"
#include "src/unmount.h"

namespace vexfs {

namespace {

constexpr int kEnd = SIGUSR1;  // the destructor ends the watcher with it

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, kEnd}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void Termination::block_signals() {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Termination::Termination(FuseSession& session, std::string directory)
    : session_(session),
      directory_(std::move(directory)),
      watcher_([this] { wait_for_signals(); }) {}

Termination::~Termination() {
  pthread_kill(watcher_.native_handle(), kEnd);
  watcher_.join();
}

void Termination::wait_for_signals() {
  const sigset_t set = watched_signals();
  for (;;) {
    int signal = 0;
    sigwait(&set, &signal);
    if (signal == kEnd) break;
    log(Level::info, "mount", "told to end", {{"signal", static_cast<std::uint64_t>(signal)}});
    if (!polite_.joinable())
      polite_ = std::thread([this] { unmount_politely(); });
    else
      session_.stop();
  }
  if (polite_.joinable()) polite_.join();
}

void Termination::unmount_politely() {
  // Pages that programs changed through mmap are with the kernel until someone asks for them.
  if (const int root = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); root >= 0) {
    if (::syncfs(root) != 0) log(Level::warn, "mount", "syncfs failed before unmounting");
    ::close(root);
  }
  if (unmount(directory_, Unmount::now)) return;
  log(Level::warn, "mount", "in use: who uses it gets ENOTCONN from now on");
  if (const auto left = unmount(directory_, Unmount::lazy); !left)
    log(Level::warn, "mount", left.error().what);
  session_.stop();
}

}  // namespace vexfs
