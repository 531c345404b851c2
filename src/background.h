// SPDX-License-Identifier: Apache-2.0
// Becoming a daemon only when the work has begun: the command that was typed waits for the word
// of the process that stays, and fails with its words.
#pragma once
#include <functional>
#include <string>

#include "src/trouble.h"

namespace vexfs {

// Readiness: the daemon's end of the pipe. In the foreground nobody listens, and trouble and
// notes go to stderr. Threads: any, one at a time.
class Readiness {
 public:
  Readiness() = default;
  explicit Readiness(int pipe) : pipe_(pipe) {}
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;
  ~Readiness();

  void note(std::string_view text);  // shown while the command waits
  void ready();                      // the command ends with success
  void failed(const Trouble& why);   // the command ends with this trouble

 private:
  void send(char kind, std::string_view text);
  int pipe_ = -1;
};

// Runs `daemon` in a process of its own, without terminal, with its log appended to `log_file`,
// and returns when it is ready or has failed. Call it before any thread is started.
Outcome<> start_in_background(const std::string& log_file,
                              std::move_only_function<int(Readiness&)> daemon);

// Where the log of a background mount of `image` goes by default: /var/log/vexfs/NAME-HASH.log for
// root, $XDG_STATE_HOME/vexfs/ (~/.local/state/vexfs/) for others. Makes the folder.
Outcome<std::string> default_log_file(const std::string& image);

}  // namespace vexfs
