// SPDX-License-Identifier: Apache-2.0
#include "storage/check_shared.h"

#include <algorithm>

#include "base/text.h"

namespace vexfs {

bool SharedCheck::load(const CheckImage& image) {
  bool clear = true;
  std::uint64_t end = 0;
  const bool whole = image.scan(Tree::refcount, [&](Bytes key, Bytes value) {
    ++report_.counts.pairs;
    const auto run = decode_refcount(key, value);
    if (run && run->first >= end) {
      end = run->end();
      runs_[run->first] = {.run = *run, .seen = std::vector<std::uint32_t>(run->blocks)};
      return true;
    }
    clear = false;
    report_.add({.code = "refcount",
                 .severity = Severity::error,
                 .where = "counts of shared blocks",
                 .sentence = run ? "records overlap" : run.error().what});
    return true;
  });
  return whole && clear;
}

std::vector<Extent> SharedCheck::reference(Extent extent) {
  std::vector<Extent> own;
  const auto claim = [&](std::uint64_t block) {
    if (!own.empty() && static_cast<std::uint64_t>(own.back().first) + own.back().blocks == block)
      ++own.back().blocks;
    else
      own.push_back({.first = BlockNo{block}, .blocks = 1, .birth = extent.birth});
  };
  const auto first = static_cast<std::uint64_t>(extent.first);
  auto it = runs_.upper_bound(first);
  if (it != runs_.begin()) --it;
  for (std::uint64_t block = first; block < first + extent.blocks; ++block) {
    while (it != runs_.end() && it->second.run.end() <= block) ++it;
    const bool shared = it != runs_.end() && it->first <= block;
    if (!shared || it->second.seen[block - it->first]++ == 0) claim(block);
  }
  return own;
}

void SharedCheck::compare() {
  for (const auto& [first, each] : runs_) {
    const auto wrong =
        std::ranges::find_if(each.seen, [&](std::uint32_t seen) { return seen != each.run.count; });
    if (wrong == each.seen.end()) continue;
    report_.add(
        {.code = "shared-count",
         .severity = Severity::error,
         .where = format("block {}", first + static_cast<std::uint64_t>(wrong - each.seen.begin())),
         .sentence = format("has {} references, its record says {}", *wrong, each.run.count)});
  }
}

}  // namespace vexfs
