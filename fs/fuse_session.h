// SPDX-License-Identifier: Apache-2.0
// FuseSession: a FileSystem mounted with libfuse on a directory, served by its threads.
//
//   FuseSession::mount()  the directory is a mount point; calls to it wait
//   run()                 answers requests until unmounted or stopped
//   unmount()             answers what workers hold, then lets the mount point go
//   destructor            after FileSystem::close(), which answers the last fsyncs
//
// Threads: mount and run on one thread; stop() on any.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "fs/file_system.h"
#include "fs/parked_requests.h"

namespace vexfs {

struct FuseOptions {
  std::string mountpoint;           // absolute
  std::string source;               // what `mount` and /proc/mounts show: the image's absolute path
  std::string kernel_options = {};  // for mount(2): "ro,noexec,noatime"; empty is fine
  bool read_only = false;
  bool allow_other = false;   // users other than the mounting one may enter
  bool suid = false;          // obey set-user-id bits (root only)
  bool dev = false;           // obey device nodes (root only)
  bool acl = false;           // the kernel obeys access lists and leaves the umask to us
  bool writeback = false;     // the kernel gathers small writes
  bool auto_unmount = false;  // fusermount3 waits for the end of this process, and unmounts
  // Called on a libfuse thread when the kernel's first message is in: from now on calls to the
  // mount are answered.
  std::move_only_function<void()> on_ready = {};
  ParkedRequests::Limits parked = {};
};

class FuseSession {
 public:
  // EIO with lines in the log when the kernel or fusermount3 refuses. `files` outlives it.
  static Result<std::unique_ptr<FuseSession>> mount(FileSystem& files, FuseOptions options);
  virtual ~FuseSession() = default;
  // Returns when the mount is gone: unmounted by someone, or stop().
  virtual Result<> run() = 0;
  // After run().
  virtual void unmount() = 0;
  // Ends run() soon, whatever clients still hold.
  virtual void stop() = 0;
};

}  // namespace vexfs
