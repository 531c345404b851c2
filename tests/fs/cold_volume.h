// SPDX-License-Identifier: Apache-2.0
// ColdVolume: a model volume on which every page is missing now and then, so that Wait::never
// hears EAGAIN at every place; whose blocks can rot, and whose commits can fail. Threads: one
// while pages are missing, any else.
#pragma once
#include <atomic>
#include <random>

#include "tests/support/model_volume.h"

namespace vexfs {

class ColdVolume final : public ModelVolume {
 public:
  explicit ColdVolume(std::uint64_t blocks = 1 << 20) : ModelVolume(blocks) {}

  unsigned missing_percent = 0;
  bool rotten = false;                 // blocks read differ from what was written
  std::atomic<int> failing_commit{0};  // the n-th commit from here: EIO

  Result<> get(Tree tree, Bytes key, std::string& value, Wait wait) override {
    VEXFS_CHECK(maybe_missing(wait));
    return ModelVolume::get(tree, key, value, wait);
  }
  Result<> scan(Tree tree, Bytes from, Bytes to, Visit visit, Wait wait) override {
    VEXFS_CHECK(maybe_missing(wait));
    return ModelVolume::scan(tree, from, to, visit, wait);
  }
  using Volume::commit;
  Result<Lsn> commit(Transaction& transaction, CommitOptions options) override {
    VEXFS_CHECK(maybe_missing(options.wait));
    if (failing_commit.fetch_sub(1) == 1) return fail(EIO, "cold: no commit");
    return ModelVolume::commit(transaction, options);
  }
  using Volume::read_blocks;
  Result<> read_blocks(std::span<const BlockRead> runs, Wait wait) override {
    VEXFS_CHECK(maybe_missing(wait));
    VEXFS_CHECK(ModelVolume::read_blocks(runs, wait));
    if (rotten)
      for (const BlockRead& run : runs) run.into.back() ^= std::byte{1};
    return {};
  }

 private:
  Result<> maybe_missing(Wait wait) {
    if (wait == Wait::allowed || missing_percent == 0) return {};
    if (rng_() % 100 < missing_percent) return fail(EAGAIN, "cold: not in memory");
    return {};
  }
  std::mt19937_64 rng_{7};
};

}  // namespace vexfs
