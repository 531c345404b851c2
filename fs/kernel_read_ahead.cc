// SPDX-License-Identifier: Apache-2.0
#include "fs/kernel_read_ahead.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

#include "base/text.h"

namespace vexfs {

bool set_kernel_read_ahead(const std::string& mountpoint, std::size_t bytes) {
  struct statx at{};
  if (::statx(AT_FDCWD, mountpoint.c_str(), AT_STATX_DONT_SYNC, 0, &at) != 0) return false;
  std::ofstream file(
      format("/sys/class/bdi/{}:{}/read_ahead_kb", at.stx_dev_major, at.stx_dev_minor));
  file << bytes / 1024 << std::flush;
  return file.good();
}

}  // namespace vexfs
