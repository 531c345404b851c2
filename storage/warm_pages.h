// SPDX-License-Identifier: Apache-2.0
// Hot pages across mounts: their list is saved when the volume closes, and the pages are read
// back while the next mount already answers.
//
// Always: a page that is read back has the check that it had when it was saved, or is left out.
// Reading back evicts nothing, and stands back while somebody else waits for pages.
#pragma once
#include <atomic>
#include <thread>

#include "storage/page_cache.h"
#include "storage/superblock.h"

namespace vexfs {

// Writes the list of at most `max` pages of a cache that has only clean ones; `superblock` is of
// the checkpoint that wrote them.
Result<> save_warm_pages(BlockDevice& device, PageCache& cache, const Superblock& superblock,
                         std::size_t max);

struct WarmUpCounts {
  std::size_t listed = 0, read = 0;
  std::size_t kept = 0;  // the others are not there any more, or there was no room
};
// Reads them back, in batches sorted by address, until `stop`.
WarmUpCounts read_warm_pages(BlockDevice& device, PageCache& cache, const Superblock& superblock,
                             const std::atomic<bool>& stop);

// The same on a thread of low priority, its transfers in the background, from its making to its
// end.
class WarmUp {
 public:
  WarmUp(BlockDevice& device, PageCache& cache, const Superblock& superblock);
  ~WarmUp();

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace vexfs
