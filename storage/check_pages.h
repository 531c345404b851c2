// SPDX-License-Identifier: Apache-2.0
// PageCheck: every page of every tree of a volume, read in batches by several threads: is it
// the page that its parent means, are its keys within its parent's bounds, is it in one place.
//
// Threads: one caller of run().
#pragma once
#include <string>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "storage/check_blocks.h"
#include "storage/check_image.h"
#include "storage/snapshots.h"

namespace vexfs {

class CheckMeter;

class PageCheck {
 public:
  // A tree that holds a page twice is closed in `image`.
  PageCheck(CheckImage& image, BlockClaims& claims, CheckReport& report, CheckMeter& meter)
      : image_(image), claims_(claims), report_(report), meter_(meter) {}
  // The trees of which pages cannot be reached.
  std::set<Tree> run(unsigned threads);
  // After it: the pages of snapshots that no tree of today has. Theirs are blocks that a list of
  // dead extents has claimed. False: there are pages that cannot be reached.
  bool run_pinned(const std::vector<PinnedRoot>& roots, unsigned threads);

 private:
  struct Item {
    PagePointer pointer;
    Tree tree{};
    unsigned level = 0;
    std::string low, high;  // bounds of its keys; an empty `high`: none
  };
  void add_root(Tree tree, const TreeRoot& root) REQUIRES(mutex_);
  void add(Item item) REQUIRES(mutex_);
  void add_pinned(Item item) REQUIRES(mutex_);
  void work_with(unsigned threads);
  void work();
  bool take(std::vector<Item>& batch);
  void look_at(const Item& item, Bytes bytes);
  void check_bounds(const Item& item, Bytes bytes);
  void find(const Item& item, const char* code, std::string sentence);

  CheckImage& image_;
  BlockClaims& claims_;
  CheckReport& report_;
  CheckMeter& meter_;
  Mutex mutex_{Rank::cache};
  CondVar wake_;
  std::vector<Item> rest_ GUARDED_BY(mutex_);
  unsigned busy_ GUARDED_BY(mutex_) = 0;  // threads that may add items
  std::uint64_t pages_ GUARDED_BY(mutex_) = 0;
  std::unordered_set<std::uint64_t> seen_ GUARDED_BY(mutex_);  // where there are snapshots
  bool pinned_ = false;                                        // what is being walked
  std::atomic<std::uint64_t> damaged_{0};                      // a bit a tree
};

}  // namespace vexfs
