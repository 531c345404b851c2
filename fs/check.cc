// SPDX-License-Identifier: Apache-2.0
#include "fs/check.h"

#include <algorithm>

#include "fs/check_files.h"
#include "fs/check_repair.h"
#include "search/check.h"
#include "storage/check_blocks.h"
#include "storage/check_image.h"

namespace vexfs {

namespace {

Result<> references(Tree tree, Bytes key, Bytes value, std::vector<BlockReference>& into) {
  if (tree == Tree::space) return search_references(tree, key, value, into);
  return file_references(tree, key, value, into);
}

struct Round {
  CheckOutcome volume;
  CheckFixes fixes;
};

Result<Round> check(BlockDevice& device, CheckOptions options, CheckReport& report) {
  options.references = references;
  options.referencing = {Tree::extent, Tree::space};
  VEXFS_TRY(const auto image, CheckImage::open(device, report));
  Round round;
  VEXFS_TRY(round.volume, check_image(*image, options, report));
  round.fixes = std::move(round.volume.fixes);
  FilesCheck files(*image, report, round.fixes);
  files.run();
  SearchCheck::HasInode has_inode;
  if (files.knows_inodes())
    has_inode = [&files](std::uint64_t ino) { return files.has_inode(ino); };
  SearchCheck(*image, has_inode, report, round.fixes).run();
  if (options.cancelled != nullptr && *options.cancelled)
    return fail(ECANCELED, "check: cancelled");
  return round;
}

bool is_derived(const std::set<Tree>& trees) {
  return std::ranges::all_of(trees, [](Tree tree) {
    return tree == Tree::backref || tree == Tree::refcount || tree == Tree::vector ||
           tree == Tree::chunk || tree == Tree::space || tree == Tree::queue;
  });
}

}  // namespace

Result<> check_file_system(BlockDevice& device, const CheckOptions& options, CheckReport& report) {
  VEXFS_TRY([[maybe_unused]] const Round round, check(device, options, report));
  return {};
}

Result<RepairOutcome> repair_file_system(const OpenDevice& open, const CheckOptions& options,
                                         CheckReport& first, CheckReport& last) {
  // What one round puts right may show what hid behind it: an inode found again has a name, so
  // its count of links is known; what it dropped leaves blocks that nobody uses.
  constexpr unsigned kRoundsMax = 5;
  RepairOutcome outcome;
  for (;; ++outcome.rounds) {
    CheckReport report;
    VEXFS_TRY(auto device, open());
    // Data is read once: a repair does not touch it.
    CheckOptions now = options;
    now.data = options.data && outcome.rounds == 0;
    VEXFS_TRY(const Round round, check(*device, now, report));
    if (outcome.rounds == 0) first.take(report);
    const bool copies = report.has("superblock-copy");
    const bool any =
        round.volume.map_wrong || !round.volume.damaged.empty() || !round.fixes.empty() || copies;
    const bool blocked = !is_derived(round.volume.damaged) || report.has("block-twice") ||
                         report.has("log-damaged") || report.has("log-unreadable");
    if (any && blocked) outcome.refused = true;
    if (!any || blocked || outcome.rounds == kRoundsMax) {
      last.take(report);
      // What only the first look at the data could see is still there.
      for (const Finding& each : first.findings())
        if (outcome.rounds > 0 && std::string_view(each.code).starts_with("data-")) last.add(each);
      return outcome;
    }
    VEXFS_CHECK(repair_round(std::move(device), round.volume, round.fixes));
  }
}

}  // namespace vexfs
