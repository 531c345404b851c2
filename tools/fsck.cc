// SPDX-License-Identifier: Apache-2.0
// vexfs fsck: the check of a volume for people and scripts. Under the name fsck.vexfs it takes
// the words of fsck(8), and gives its exit codes in any case.
#include <sys/ioctl.h>

#include <atomic>
#include <csignal>
#include <cstdio>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "fs/check.h"
#include "src/mount_options.h"
#include "src/mount_table.h"
#include "src/open_volume.h"
#include "tools/commands.h"
#include "tools/progress.h"

namespace vexfs {

namespace {

// As of e2fsck(8).
enum class FsckExit : int {
  clean = 0,
  corrected = 1,
  left = 4,
  trouble = 8,
  usage = 16,
  cancelled = 32
};

Exit as_exit(FsckExit code) {
  return static_cast<Exit>(code);
}

struct FsckWords {
  std::string image;
  bool repair = false, no_data = false, json = false, quiet = false;
};

void declare(CLI::App& command, FsckWords& words) {
  command.add_option("image", words.image, "image file or block device, not mounted")->required();
  command.add_flag("--repair", words.repair, "make again what is derived; guess about nothing");
  command.add_flag("--no-data", words.no_data,
                   "trees and space only: do not read the files' content");
  command.add_flag("--json", words.json, "the report as a JSON object");
  command.add_flag("--quiet,-q", words.quiet, "no summary: findings only");
}

std::atomic<bool> cancelled{false};

void cancel(int) {
  cancelled = true;
}

// "[#########.........]  51 %"
std::string bar_of(const CheckProgress& progress) {
  constexpr unsigned kWidth = 40;
  const double share = progress.total == 0 ? 0.0
                                           : static_cast<double>(progress.done) /
                                                 static_cast<double>(progress.total);
  const auto full = static_cast<unsigned>(share * kWidth);
  return format("[{:#<{}}{:.<{}}] {:3.0f} %  {}", "", full, "", kWidth - full, share * 100,
                size_for_people(progress.done * kBlockBytes));
}

struct Answer {
  CheckReport first{1000}, last{1000};
  RepairOutcome repair;
  double seconds = 0;
};

Result<> look(const FsckWords& words, Answer& answer) {
  const auto open = [&] {
    // The second look at a page comes from the host's cache.
    return open_file_device(words.image, {.read_only = !words.repair, .direct_io = false});
  };
  ProgressLine line;
  const CheckOptions options{.data = !words.no_data,
                             .progress = [&](const CheckProgress& now) { line.show(bar_of(now)); },
                             .cancelled = &cancelled};
  if (words.repair) {
    VEXFS_TRY(answer.repair, repair_file_system(open, options, answer.first, answer.last));
    return {};
  }
  VEXFS_TRY(const auto device, open());
  VEXFS_CHECK(check_file_system(*device, options, answer.first));
  answer.last.take(answer.first);
  return {};
}

Json json_of(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& each : findings)
    list.push_back({{"code", each.code},
                    {"severity", name_of(each.severity)},
                    {"where", each.where},
                    {"what", each.sentence},
                    {"repairable", each.repairable}});
  return list;
}

const CheckReport& found_of(const FsckWords& words, const Answer& answer) {
  return words.repair ? answer.first : answer.last;
}

FsckExit exit_of(const Answer& answer) {
  if (!answer.last.clean()) return FsckExit::left;
  return answer.repair.rounds > 0 ? FsckExit::corrected : FsckExit::clean;
}

std::string state_of(const Answer& answer) {
  switch (exit_of(answer)) {
    case FsckExit::clean:
      return "clean";
    case FsckExit::corrected:
      return "repaired";
    default:
      return "damaged";
  }
}

void print_json(const FsckWords& words, const Answer& answer) {
  const CheckCounts& n = answer.last.counts;
  const Json report = {{"image", words.image},
                       {"state", state_of(answer)},
                       {"exit", static_cast<int>(exit_of(answer))},
                       {"seconds", answer.seconds},
                       {"rounds", answer.repair.rounds},
                       {"counts",
                        {{"pages", n.pages},
                         {"data_blocks", found_of(words, answer).counts.data_blocks},
                         {"used_blocks", n.used_blocks},
                         {"free_blocks", n.free_blocks},
                         {"compressed_raw_bytes", n.compressed_raw_blocks * kBlockBytes},
                         {"compressed_stored_bytes", n.compressed_stored_blocks * kBlockBytes},
                         {"inodes", n.inodes},
                         {"directories", n.directories},
                         {"names", n.names},
                         {"spaces", n.spaces},
                         {"vectors", n.vectors},
                         {"chunks", n.chunks},
                         {"log_transactions", n.log_transactions}}},
                       {"found", json_of(found_of(words, answer).findings())},
                       {"left", json_of(answer.last.findings())}};
  std::printf("%s\n", to_text(report).c_str());
}

void print_text(const FsckWords& words, const Answer& answer) {
  for (const Finding& each : found_of(words, answer).findings())
    std::printf("%s: %s: %s: %s [%s%s]\n", words.image.c_str(),
                std::string(name_of(each.severity)).c_str(), each.where.c_str(),
                each.sentence.c_str(), each.code, each.repairable ? ", repairable" : "");
  if (words.repair && !answer.last.clean())
    for (const Finding& each : answer.last.findings())
      std::printf("%s: left: %s: %s [%s]\n", words.image.c_str(), each.where.c_str(),
                  each.sentence.c_str(), each.code);
  if (words.quiet) return;
  const CheckCounts& n = answer.last.counts;
  std::printf(
      "%s: %s: %llu files and directories, %llu names, %s used, %s free, %llu tree pages"
      " (%.1f s)\n",
      words.image.c_str(), state_of(answer).c_str(), static_cast<unsigned long long>(n.inodes),
      static_cast<unsigned long long>(n.names),
      size_for_people(n.used_blocks * kBlockBytes).c_str(),
      size_for_people(n.free_blocks * kBlockBytes).c_str(),
      static_cast<unsigned long long>(n.pages), answer.seconds);
  if (n.compressed_stored_blocks == 0) return;
  std::printf("%s: %s of content compressed to %s, %.2f to 1\n", words.image.c_str(),
              size_for_people(n.compressed_raw_blocks * kBlockBytes).c_str(),
              size_for_people(n.compressed_stored_blocks * kBlockBytes).c_str(),
              static_cast<double>(n.compressed_raw_blocks) /
                  static_cast<double>(n.compressed_stored_blocks));
}

void print_hint(const FsckWords& words, const Answer& answer) {
  if (answer.last.clean() || words.quiet) return;
  bool repairable = false;
  for (const Finding& each : answer.last.findings()) repairable |= each.repairable;
  if (answer.repair.refused)
    std::fprintf(stderr,
                 "       a tree cannot be read in full, so nothing was written:\n"
                 "       copy what can be read (mount -o ro), or restore the image\n");
  else if (!words.repair && repairable)
    std::fprintf(stderr, "       repair it with: vexfs fsck --repair %s\n", words.image.c_str());
}

Exit run(const FsckWords& words) {
  std::signal(SIGINT, cancel);
  std::signal(SIGTERM, cancel);
  set_log_level(Level::error);
  const std::uint64_t begin_ns = monotonic_ns();
  Answer answer;
  const auto looked = look(words, answer);
  answer.seconds = static_cast<double>(monotonic_ns() - begin_ns) / 1e9;
  if (!looked && looked.error().code == ECANCELED) {
    std::fprintf(stderr, "vexfs: %s: cancelled\n", words.image.c_str());
    return as_exit(FsckExit::cancelled);
  }
  if (!looked && looked.error().code == EBUSY) {
    const auto path = absolute_path(words.image);
    const auto mount = path ? mount_of_image(*path) : std::nullopt;
    if (mount)
      report({format("{}: mounted on {}", words.image, mount->directory),
              format("unmount it first with: vexfs umount {}", mount->directory)});
    else
      report(volume_trouble(words.image, looked.error()));
    return as_exit(FsckExit::trouble);
  }
  if (!looked) {
    report(volume_trouble(words.image, looked.error()));
    // Every copy of the superblock is damaged: there is a volume, and nobody can read it.
    return as_exit(looked.error().code == EUCLEAN ? FsckExit::left : FsckExit::trouble);
  }
  if (words.json)
    print_json(words, answer);
  else
    print_text(words, answer);
  print_hint(words, answer);
  return as_exit(exit_of(answer));
}

}  // namespace

void add_fsck(CLI::App& app, Exit& exit) {
  CLI::App* const command =
      add_command<FsckWords>(app, exit, "fsck", "Check a volume that is not mounted",
                             "vexfs fsck notes.vex\n"
                             "  vexfs fsck --repair notes.vex\n"
                             "  vexfs fsck --json --no-data notes.vex | jq .found",
                             run, declare);
  command->footer(command->get_footer() +
                  "\nExit codes: 0 clean, 1 repaired, 4 problems left, 8 could not check, 16 wrong "
                  "words, 32 cancelled.");
}

}  // namespace vexfs
