// SPDX-License-Identifier: Apache-2.0
// Termination: what SIGTERM, SIGINT and SIGHUP do to a mount.
//
// The first one writes the kernel's dirty pages back and unmounts, as `umount` would, while the
// mount still answers; where somebody still uses it, it is taken from the tree and served no
// more. A second one stops serving at once. In every case the daemon then closes the volume.
#pragma once
#include <string>
#include <thread>

namespace vexfs {

class FuseSession;

class Termination {
 public:
  // Blocks the signals in this thread and in all that it starts. Before the first thread.
  static void block_signals();

  // From now on a signal ends `session`, which outlives this.
  Termination(FuseSession& session, std::string directory);
  ~Termination();
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

 private:
  void wait_for_signals();
  void unmount_politely();

  FuseSession& session_;
  const std::string directory_;
  std::thread polite_;  // made and joined by watcher_
  std::thread watcher_;
};

}  // namespace vexfs
