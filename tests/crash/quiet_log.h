// SPDX-License-Identifier: Apache-2.0
// QuietLog: errors in the log are what these tests are made to produce.
#pragma once
#include "base/log.h"

namespace vexfs {

class QuietLog {
 public:
  QuietLog() { set_log_level(Level{3}); }
  ~QuietLog() { set_log_level(Level::info); }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;
};

}  // namespace vexfs
