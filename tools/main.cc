// SPDX-License-Identifier: Apache-2.0
// vexfs: one program, a subcommand each. Under the names mkfs.vexfs, fsck.vexfs and
// mount.vexfs it is what mkfs(8), fsck(8) and mount(8) call.
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "tools/commands.h"
#include "tools/helper_names.h"

namespace vexfs {

namespace {

void add_all(CLI::App& app, Exit& exit) {
  for (auto* add : {add_mkfs, add_mount, add_umount, add_fsck, add_search, add_similar, add_index,
                    add_info, add_stats, add_resize, add_sync, add_version})
    add(app, exit);
}

}  // namespace

Exit report(const Trouble& trouble) {
  std::fprintf(stderr, "vexfs: %s\n", trouble.what.c_str());
  if (!trouble.next.empty()) std::fprintf(stderr, "       %s\n", trouble.next.c_str());
  return Exit::trouble;
}

}  // namespace vexfs

int main(int argc, char** argv) {
  using vexfs::Exit, vexfs::Level;
  CLI::App app("A file system that finds by meaning.", "vexfs");
  Exit exit = Exit::found;
  vexfs::add_all(app, exit);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 found or done, 1 nothing found, 2 trouble.\n"
      "Example:\n"
      "  vexfs mkfs notes.vex --size 20G && mkdir -p notes && vexfs mount notes.vex notes\n"
      "  vexfs search notes how do I rotate the keys");
  vexfs::set_log_level(Level::warn);  // a daemon tells more, a command only trouble
  // CLI11 takes the words last first.
  std::vector<std::string> words = vexfs::words_of_helper({argv, argv + argc});
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    // --help is no trouble; a wrong word is.
    constexpr int kFsckUsage = 16;  // as fsck(8) wants it
    const bool fsck = !words.empty() && words.front() == "fsck";
    const int trouble = fsck ? kFsckUsage : static_cast<int>(Exit::trouble);
    return app.exit(error) == 0 ? 0 : trouble;
  }
  return static_cast<int>(exit);
}
