// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <sstream>

#include "base/json.h"
#include "tools/commands.h"
#include "tools/mounted.h"

namespace vexfs {

namespace {

struct StatsWords {
  std::string directory = ".";
  bool json = false;
};

void declare(CLI::App& command, StatsWords& words) {
  command.add_option("directory", words.directory, "anywhere in the mount (default: here)");
  command.add_flag("--json", words.json, "every metric as a member of one JSON object");
}

// Prometheus text: "NAME{LABELS} VALUE" a line, comments begin with '#'.
Json metrics_of(const std::string& text) {
  Json metrics = Json::object();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto blank = line.rfind(' ');
    if (line.starts_with('#') || blank == std::string::npos) continue;
    const auto value = parse_json(std::string_view(line).substr(blank + 1));
    if (value) metrics[line.substr(0, blank)] = *value;
  }
  return metrics;
}

Exit run(const StatsWords& words) {
  const auto mount = mount_holding(words.directory);
  if (!mount) return report(mount.error());
  const auto text = read_hidden(mount->directory, words.json ? "metrics" : "stats");
  if (!text) return report(text.error());
  std::printf("%s", words.json ? (to_text(metrics_of(*text)) + "\n").c_str() : text->c_str());
  return Exit::found;
}

}  // namespace

void add_stats(CLI::App& app, Exit& exit) {
  add_command<StatsWords>(app, exit, "stats", "What a mount has done, and how long it took",
                          "vexfs stats ~/notes", run, declare);
}

}  // namespace vexfs
