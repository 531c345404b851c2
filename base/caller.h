// SPDX-License-Identifier: Apache-2.0
// Caller: on whose behalf a call runs.
#pragma once
#include <sys/types.h>

#include <vector>

namespace vexfs {

struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;
  // It lacks CAP_FSETID: what it writes to, cuts or allocates loses its set-id bits.
  bool kills_set_id = false;
  std::vector<gid_t> groups = {};  // supplementary; filled only where a search needs them
};

}  // namespace vexfs
