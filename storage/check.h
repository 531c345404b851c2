// SPDX-License-Identifier: Apache-2.0
// check_volume: proves that a volume is what it should be, without the engine that wrote it.
//
// Looked at are the copies of the superblock, the log (replayed into memory, so a volume that
// was not closed is checked as the next mount will see it), every page of every tree (checksum,
// place, generation, level, order and bounds of keys), every block (in exactly one page, extent
// or blob, or free, as the map of free space says) and, unless told otherwise, the checksum of
// every block of data. Writes nothing. Damage is a finding, never an error of the call.
// Threads: one caller; works in several itself. Nobody may write the device meanwhile.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "base/result.h"
#include "storage/block_device.h"
#include "storage/check_fix.h"
#include "storage/check_report.h"
#include "storage/volume.h"

namespace vexfs {

class CheckImage;

// Blocks that a value in a tree references.
struct BlockReference {
  Extent extent;
  // XXH3-64 of each block; of all together when there is one for several; none: not checked.
  std::vector<std::uint64_t> checks = {};
};

struct CheckProgress {  // in blocks
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // an estimate
};

struct CheckOptions {
  bool data = true;                 // compare the checksums of all data
  unsigned threads = 0;             // 0: one a core, at most 16
  std::size_t findings_max = 1000;  // further ones are counted only
  // What the pairs of a tree reference; EUCLEAN for a value that makes no sense. Called on one
  // thread for each pair of `referencing`. file_references() knows Tree::extent.
  using References =
      std::function<Result<>(Tree, Bytes key, Bytes value, std::vector<BlockReference>& into)>;
  References references = {};  // none: file_references()
  std::vector<Tree> referencing = {Tree::extent};
  // At most some times a second, from the threads of the check, one at a time.
  std::function<void(const CheckProgress&)> progress = {};
  const std::atomic<bool>* cancelled = nullptr;  // true: ECANCELED soon
};

Result<> file_references(Tree tree, Bytes key, Bytes value, std::vector<BlockReference>& into);

// Fills `report`. The errors of read_superblock(), ECANCELED.
Result<> check_volume(BlockDevice& device, const CheckOptions& options, CheckReport& report);

class BlockClaims;
// What a repair has to know.
struct CheckOutcome {
  std::set<Tree> damaged;  // trees with pages or references that cannot be read
  bool map_wrong = false;
  std::unique_ptr<BlockClaims> used;  // what the map should say
  CheckFixes fixes;                   // of Tree::refcount
};
// The same for an image that others will look at as well (storage/check_image.h).
Result<CheckOutcome> check_image(CheckImage& image, const CheckOptions& options,
                                 CheckReport& report);
// The errors of Volume::open(); takes what it has to know about free space from `found`, and
// records it with the next checkpoint. Trees of `emptied` have what the log puts, no more.
Result<std::unique_ptr<Volume>> open_repairing(std::unique_ptr<BlockDevice> device,
                                               const VolumeOptions& options,
                                               const CheckOutcome& found,
                                               const std::set<Tree>& emptied);

}  // namespace vexfs
