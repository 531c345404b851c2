// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "tools/commands.h"
#include "tools/mounted.h"
#include "tools/progress.h"

namespace vexfs {

namespace {

struct StatusWords {
  std::string directory = ".";
  bool json = false;
};

void declare_status(CLI::App& command, StatusWords& words) {
  command.add_option("directory", words.directory, "whose files are counted (default: here)");
  command.add_flag("--json", words.json, "as a JSON object");
}

// DIR/.vexfs/status: a line "name figure" each, or "name words".
Json figures_of(const std::string& text) {
  Json figures = Json::object();
  std::istringstream lines(text);
  std::string name, rest;
  while (lines >> name && std::getline(lines >> std::ws, rest)) {
    const bool figure = rest.find_first_not_of("0123456789") == std::string::npos;
    figures[name] = figure ? Json(std::stoull(rest)) : Json(rest);
  }
  return figures;
}

Exit run_status(const StatusWords& words) {
  const auto text = read_hidden(words.directory, "status");
  if (!text) return report(text.error());
  std::printf("%s", words.json ? (to_text(figures_of(*text)) + "\n").c_str() : text->c_str());
  return Exit::found;
}

struct WaitWords {
  std::string directory = ".";
};

void declare_wait(CLI::App& command, WaitWords& words) {
  command.add_option("directory", words.directory, "whose files to wait for (default: here)");
}

// Shows what is left while the barrier stands.
void show_until(const std::atomic<bool>& passed, const std::string& directory) {
  ProgressLine line;
  while (!passed) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (::isatty(STDERR_FILENO) == 0) continue;
    if (const auto text = read_hidden(directory, "status"); text && !passed) {
      const Json figures = figures_of(*text);
      line.show(format("indexed {}, pending {}", figures.value("indexed", std::uint64_t{0}),
                       figures.value("pending", std::uint64_t{0})));
    }
  }
}

// fsync of the status file returns when all that is queued now has been indexed.
Exit run_wait(const WaitWords& words) {
  const auto status = open_hidden(words.directory, "status", O_RDONLY);
  if (!status) return report(status.error());
  std::atomic<bool> passed = false;
  std::thread progress([&passed, &words] { show_until(passed, words.directory); });
  int refused = 0;
  while ((refused = ::fsync(status->descriptor()) == 0 ? 0 : errno) == EINTR) continue;
  passed = true;
  progress.join();
  if (refused == EIO)
    return report(
        {format("{}: indexing is paused", words.directory), "go on with: vexfs index resume"});
  if (refused != 0) return report(trouble_errno(words.directory, refused).error());
  return Exit::found;
}

struct ControlWords {
  std::string directory = ".";
};

void declare_control(CLI::App& command, ControlWords& words) {
  command.add_option("directory", words.directory, "anywhere in the mount (default: here)");
}

// A word to the running daemon, which its owner may say.
Exit say(const ControlWords& words, std::string_view word) {
  const auto mount = mount_holding(words.directory);
  if (!mount) return report(mount.error());
  const auto control = open_hidden(mount->directory, "control", O_WRONLY);
  if (!control) return report(control.error());
  if (::write(control->descriptor(), word.data(), word.size()) < 0)
    return report(trouble_errno(mount->directory, errno).error());
  return Exit::found;
}

Exit run_pause(const ControlWords& words) {
  return say(words, "pause\n");
}
Exit run_resume(const ControlWords& words) {
  return say(words, "resume\n");
}

}  // namespace

void add_index(CLI::App& app, Exit& exit) {
  CLI::App* index = app.add_subcommand("index", "What is indexed, and waiting for it");
  index->require_subcommand(1);
  index->footer("Example:\n  vexfs index wait ~/notes && vexfs search ~/notes trip to japan");
  add_command<StatusWords>(*index, exit, "status", "Count indexed, pending, failed, skipped files",
                           "vexfs index status ~/notes", run_status, declare_status);
  add_command<WaitWords>(*index, exit, "wait", "Return when what was changed so far is searchable",
                         "vexfs index wait ~/notes", run_wait, declare_wait);
  add_command<ControlWords>(*index, exit, "pause", "Index nothing until it is resumed",
                            "vexfs index pause ~/notes", run_pause, declare_control);
  add_command<ControlWords>(*index, exit, "resume", "Index again, what was paused first",
                            "vexfs index resume ~/notes", run_resume, declare_control);
}

}  // namespace vexfs
