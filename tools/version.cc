// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "base/json.h"
#include "tools/commands.h"

namespace vexfs {

namespace {

struct VersionWords {
  bool json = false;
};

void declare(CLI::App& command, VersionWords& words) {
  command.add_flag("--json", words.json, "as a JSON object");
}

Exit run(const VersionWords& words) {
  if (words.json)
    std::printf("%s\n", to_text(Json{{"version", VEXFS_VERSION}}).c_str());
  else
    std::printf("vexfs %s\n", VEXFS_VERSION);
  return Exit::found;
}

}  // namespace

void add_version(CLI::App& app, Exit& exit) {
  add_command<VersionWords>(app, exit, "version", "Print the version", "vexfs version", run,
                            declare);
}

}  // namespace vexfs
