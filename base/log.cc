// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <iterator>
#include <string>

#include "base/clock.h"
#include "base/text.h"

namespace vexfs {

namespace {
std::atomic<Level> level_min{Level::info};
std::atomic<bool> stamped_lines{false};
constexpr const char* kNames[] = {"info", "warn", "error"};

template <class Out>
void stamp(Out out) {
  const timespec now = wall_clock();
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  format_to(out, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z ", utc.tm_year + 1900, utc.tm_mon + 1,
            utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1'000'000);
}
}  // namespace

void set_log_level(Level level) {
  level_min.store(level, std::memory_order_relaxed);
}

void set_log_stamped(bool stamped) {
  stamped_lines.store(stamped, std::memory_order_relaxed);
}

void log(Level level, const char* area, std::string_view event,
         std::initializer_list<Field> fields) {
  if (level < level_min.load(std::memory_order_relaxed)) return;
  std::string line;  // not in the frame: whoever logs may be deep already
  auto out = std::back_inserter(line);
  if (stamped_lines.load(std::memory_order_relaxed)) stamp(out);
  format_to(out, "{} {}: {}", kNames[static_cast<int>(level)], area, event);
  for (const Field& field : fields) {
    if (const auto* number = std::get_if<std::uint64_t>(&field.value))
      format_to(out, " {}={}", field.key, *number);
    else
      format_to(out, " {}={}", field.key, std::get<std::string_view>(field.value));
  }
  line.push_back('\n');
  // A log that cannot be written is no reason to stop serving files.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace vexfs
