// SPDX-License-Identifier: Apache-2.0
// ReadThrough: the cache that tree pages use, over numbered blocks without content. A read takes
// a latch as a tree does, and looks again for what it has brought. Threads: any.
#pragma once
#include "base/assert.h"
#include "storage/cache_shards.h"
#include "storage/shared_latch.h"

namespace vexfs {

class ReadThrough {
 public:
  explicit ReadThrough(std::size_t capacity) : shards_(capacity) {}
  bool read(std::uint32_t block, bool upper = false) {
    constexpr std::uint64_t kBirth = 1;
    {
      SharedLatchRead lock(latch_);
      if (const CacheEntry* const found = shards_.find(block, kBirth)) {
        VEXFS_ASSERT(found->address == block);
        return true;
      }
    }
    shards_.insert(CacheShards::Ref(new CacheEntry(block, kBirth, upper)));
    SharedLatchRead lock(latch_);
    shards_.find(block, kBirth);
    return false;
  }
  CacheShards& shards() { return shards_; }

 private:
  CacheShards shards_;
  SharedLatch latch_{Rank::tree, Channel::pages};
};

}  // namespace vexfs
