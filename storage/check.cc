// SPDX-License-Identifier: Apache-2.0
#include "storage/check.h"

#include <algorithm>
#include <thread>

#include "base/text.h"
#include "storage/check_data.h"
#include "storage/check_pages.h"
#include "storage/check_shared.h"
#include "storage/check_snapshots.h"
#include "storage/check_space.h"
#include "storage/file_extent.h"

namespace vexfs {

namespace {

unsigned threads_of(const CheckOptions& options) {
  if (options.threads != 0) return options.threads;
  return std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
}

std::string name_of_pair(Tree tree, Bytes key) {
  KeyReader reader(key);
  const std::uint64_t first = reader.u64(), second = reader.u64();
  if (tree == Tree::extent && !reader.failed())
    return format("inode {}, file block {}", first, second);
  std::string hex;
  for (const std::byte b : key) hex += format("{:02x}", std::to_integer<unsigned>(b));
  return format("tree {}, key {}", name_of(tree), hex);
}

// Claims the blocks that pairs of the trees reference, and has their checksums compared.
class ReferenceCheck {
 public:
  ReferenceCheck(const CheckImage& image, const CheckOptions& options, BlockClaims& claims,
                 CheckReport& report, DataCheck& data)
      : image_(image),
        options_(options),
        claims_(claims),
        report_(report),
        data_(data),
        shared_(image, report) {}

  // The trees whose references are not all known.
  std::set<Tree> run(const CheckMeter& meter, CheckFixes& fixes) {
    if (!shared_.load()) unclear_.insert(Tree::refcount);
    for (const Tree tree : options_.referencing) {
      const bool whole = image_.scan(tree, [&](Bytes key, Bytes value) {
        look_at(tree, key, value);
        return !meter.cancelled();
      });
      if (!whole) unclear_.insert(tree);
    }
    if (!unclear_.contains(Tree::extent) && !meter.cancelled()) shared_.settle(fixes);
    return unclear_;
  }

 private:
  void look_at(Tree tree, Bytes key, Bytes value) {
    ++report_.counts.pairs;
    references_.clear();
    const auto found = options_.references ? options_.references(tree, key, value, references_)
                                           : file_references(tree, key, value, references_);
    if (!found) {
      unclear_.insert(tree);
      // Who keeps other trees names what is wrong in them.
      if (tree == Tree::extent) find(tree, key, "reference", found.error().what);
      return;
    }
    for (BlockReference& each : references_) claim(tree, key, each);
  }
  // Blocks of files may be shared; they are claimed, and their content is read, once.
  void claim(Tree tree, Bytes key, BlockReference& reference) {
    if (tree != Tree::extent) {
      const Claimed claimed = claim_one(tree, key, reference.extent, nullptr);
      if (claimed == Claimed::twice)
        find(tree, key, "block-twice", "its blocks are also those of something else");
      return claimed == Claimed::outside ? void() : compare_content(tree, key, reference);
    }
    bool all = true, first = true;
    for (const Extent own : shared_.reference(reference.extent)) {
      before_.clear();
      all &= claim_one(tree, key, own, &before_) != Claimed::outside;
      shared_.claimed_before(before_);
      first = false;
    }
    if (all && !first) compare_content(tree, key, reference);
  }
  using Claimed = BlockClaims::Claimed;
  Claimed claim_one(Tree tree, Bytes key, Extent extent, std::vector<std::uint64_t>* before) {
    const Claimed claimed = claims_.claim(extent, BlockClaims::Kind::recorded, before);
    if (claimed == Claimed::outside)
      find(tree, key, "block-outside", "names blocks outside of the data area");
    return claimed;
  }
  void compare_content(Tree tree, Bytes key, BlockReference& content) {
    if (options_.data && !content.checks.empty())
      data_.add(std::move(content), name_of_pair(tree, key));
  }
  void find(Tree tree, Bytes key, const char* code, std::string sentence) {
    report_.add({.code = code,
                 .severity = Severity::error,
                 .where = name_of_pair(tree, key),
                 .sentence = std::move(sentence)});
  }

  const CheckImage& image_;
  const CheckOptions& options_;
  BlockClaims& claims_;
  CheckReport& report_;
  DataCheck& data_;
  std::vector<BlockReference> references_;
  std::vector<std::uint64_t> before_;
  SharedCheck shared_;
  std::set<Tree> unclear_;
};

}  // namespace

Result<> file_references(Tree tree, Bytes key, Bytes value, std::vector<BlockReference>& into) {
  if (tree != Tree::extent) return {};
  VEXFS_TRY(const FileExtent extent, FileExtent::decode(key, value));
  if (extent.on_disk()) into.push_back({.extent = extent.where(), .checks = extent.checks});
  return {};
}

Result<> check_volume(BlockDevice& device, const CheckOptions& options, CheckReport& report) {
  VEXFS_TRY(const auto image, CheckImage::open(device, report));
  VEXFS_TRY([[maybe_unused]] const CheckOutcome outcome, check_image(*image, options, report));
  return {};
}

Result<CheckOutcome> check_image(CheckImage& image, const CheckOptions& options,
                                 CheckReport& report) {
  report.counts.log_frames = image.log_frames();
  report.counts.log_transactions = image.log_transactions();
  const unsigned threads = threads_of(options);
  CheckMeter meter(options);
  SpaceCheck space(image, report);
  auto used = std::make_unique<BlockClaims>(image.facts().data_first, image.facts().data_end);
  BlockClaims& claims = *used;
  PageCheck pages(image, claims, report, meter);
  std::set<Tree> damaged = pages.run(threads);
  damaged.erase(Tree::free_space);  // space.load() sees to it
  SnapshotCheck snapshots(image, claims, report);
  if (!snapshots.load()) damaged.insert(Tree::snapshot);
  space.load(snapshots.newest(), claims);
  meter.expect(space.used_blocks());
  DataCheck data(image.device(), report, meter, threads);
  CheckFixes fixes;
  damaged.merge(ReferenceCheck(image, options, claims, report, data).run(meter, fixes));
  // After all claims: a snapshot adds none, what it holds is somebody's or on its list.
  if (!pages.run_pinned(snapshots.roots(), threads)) damaged.insert(Tree::snapshot);
  snapshots.check_data(options, data);
  data.finish();
  report.counts.data_blocks = data.blocks();
  if (meter.cancelled()) return fail(ECANCELED, "check: cancelled");
  const bool map_right = space.compare(claims, damaged.empty());
  return CheckOutcome{.damaged = std::move(damaged),
                      .map_wrong = !map_right,
                      .used = std::move(used),
                      .fixes = std::move(fixes)};
}

}  // namespace vexfs
