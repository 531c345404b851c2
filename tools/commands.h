// SPDX-License-Identifier: Apache-2.0
// The subcommands of `vexfs`: each file adds one, whose callback runs it and leaves its exit code.
// Answers go to stdout; trouble, hints and progress to stderr.
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <utility>

#include "src/trouble.h"

namespace vexfs {

// As of grep: a script can tell "no" from "could not ask".
enum class Exit : int { found = 0, nothing = 1, trouble = 2 };

void add_mkfs(CLI::App& app, Exit& exit);
void add_mount(CLI::App& app, Exit& exit);
void add_fsck(CLI::App& app, Exit& exit);
void add_umount(CLI::App& app, Exit& exit);
void add_search(CLI::App& app, Exit& exit);
void add_similar(CLI::App& app, Exit& exit);
void add_info(CLI::App& app, Exit& exit);
void add_stats(CLI::App& app, Exit& exit);
void add_index(CLI::App& app, Exit& exit);
void add_resize(CLI::App& app, Exit& exit);
void add_sync(CLI::App& app, Exit& exit);
void add_version(CLI::App& app, Exit& exit);

// "vexfs: WHAT" and, below it, what to do next.
Exit report(const Trouble& trouble);

// The options and the work of one subcommand; `run(options)` gives an Exit.
template <class Options>
CLI::App* add_command(CLI::App& app, Exit& exit, const char* name, const char* what,
                      const char* example, Exit (*run)(const Options&),
                      void (*declare)(CLI::App&, Options&)) {
  CLI::App* command = app.add_subcommand(name, what);
  // Lives as long as the parser, which fills it in before the callback runs.
  auto options = std::make_shared<Options>();
  declare(*command, *options);
  command->footer(std::string("Example:\n  ") + example);
  command->callback([options, run, &exit] { exit = run(*options); });
  return command;
}

}  // namespace vexfs
