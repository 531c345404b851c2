// SPDX-License-Identifier: Apache-2.0
// ExtractProcess: text out of formats that only large libraries read, by a process that may
// nothing (extract/): a hostile file costs its own text, never the daemon.
//
//   none ──first file──> running ──dies, hangs──> none, and the file says why it has no text
//
// Always: at most one process; a file in it has 20 s of CPU, 768 MiB and gives at most 8 MiB.
// Threads: any; one file at a time, so never on a thread that answers the kernel.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/mutex.h"
#include "base/result.h"
#include "search/extract_protocol.h"

namespace vexfs {

struct ForeignText {
  ForeignStatus status = ForeignStatus::ok;
  std::string text = {};                  // valid UTF-8
  std::vector<std::uint32_t> pages = {};  // where each begins; none: it has no pages
};

// Why a file has no text, as its status says it.
const char* reason_of(ForeignStatus status);

class ExtractProcess {
 public:
  // `program`: vexfs-extract; empty: where it stands beside this program.
  explicit ExtractProcess(std::string program);
  ~ExtractProcess();
  ExtractProcess(const ExtractProcess&) = delete;
  ExtractProcess& operator=(const ExtractProcess&) = delete;

  // `fill` writes the file's bytes through what it is given, in order. ENOENT: there is no such
  // program here. EFBIG: over kExtractFileMax. What the file does to the process is no error but
  // a status.
  using Sink = FunctionRef<Result<>(Bytes)>;
  Result<ForeignText> run(ForeignKind kind, FunctionRef<Result<>(Sink)> fill);

 private:
  Result<> start() REQUIRES(mutex_);
  void stop() REQUIRES(mutex_);
  Result<ForeignStatus> converse(ForeignKind kind, int in, int out) REQUIRES(mutex_);

  const std::string program_;
  Mutex mutex_;
  pid_t process_ GUARDED_BY(mutex_) = -1;
  int socket_ GUARDED_BY(mutex_) = -1;
};

}  // namespace vexfs
