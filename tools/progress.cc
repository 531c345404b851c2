// SPDX-License-Identifier: Apache-2.0
#include "tools/progress.h"

#include <unistd.h>

#include <cstdio>

#include "base/text.h"
#include "src/mount_options.h"

namespace vexfs {

namespace {
constexpr std::uint64_t kSilentNs = 1'000'000'000;
constexpr std::uint64_t kPeriodNs = 100'000'000;
}  // namespace

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (shown_ns_ != 0) std::fputs("\r\033[K", stderr);
}

void ProgressLine::show(const std::string& text) {
  const std::uint64_t now_ns = monotonic_ns();
  if (!terminal_ || now_ns - begin_ns_ < kSilentNs || now_ns - shown_ns_ < kPeriodNs) return;
  shown_ns_ = now_ns;
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
}

Result<> ProgressDevice::write(std::span<const DeviceWrite> batch) {
  VEXFS_CHECK(device_.write(batch));
  for (const DeviceWrite& each : batch) count(each.from.size());
  return {};
}

Result<> ProgressDevice::write_flushed(const DeviceWrite& write, FlushSite site) {
  VEXFS_CHECK(device_.write_flushed(write, site));
  count(write.from.size());
  return {};
}

void ProgressDevice::count(std::size_t bytes) {
  written_bytes_ += bytes;
  line_.show(format("{}: {}", what_, size_for_people(written_bytes_)));
}

}  // namespace vexfs
