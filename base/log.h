// SPDX-License-Identifier: Apache-2.0
// Log: a line is an event with numbers, on stderr: `warn wal: replay stops lsn=17`.
// error: act now. warn: look today. info: history. Hot paths count instead (base/metrics.h).
// Questions and file content never go here, only lengths, counts and hashes.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace vexfs {

enum class Level { info, warn, error };

struct Field {
  const char* key;
  std::variant<std::uint64_t, std::string_view> value;
  Field(const char* k, std::uint64_t v) : key(k), value(v) {}
  Field(const char* k, std::string_view v) : key(k), value(v) {}
};

// Threads: any; one write(2) a line.
void log(Level level, const char* area, std::string_view event,
         std::initializer_list<Field> fields = {});
// Lines below `level` are dropped; default info.
void set_log_level(Level level);
// Each line begins with the time (UTC): for a log file, which nobody else stamps.
void set_log_stamped(bool stamped);

}  // namespace vexfs
