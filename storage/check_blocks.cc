// SPDX-License-Identifier: Apache-2.0
#include "storage/check_blocks.h"

namespace vexfs {

BlockClaims::Claimed BlockClaims::claim(Extent extent, Kind kind,
                                        std::vector<std::uint64_t>* before) {
  Lock lock(mutex_);
  if (!groups_.holds(extent)) return Claimed::outside;
  Claimed outcome = Claimed::yes;
  const auto from = static_cast<std::uint64_t>(extent.first);
  for (std::uint64_t block = from; block < from + extent.blocks; ++block) {
    if (groups_.busy(block)) {
      outcome = Claimed::twice;
      if (before != nullptr) before->push_back(block);
      continue;
    }
    const Extent one{.first = BlockNo{block}, .blocks = 1};
    groups_.set_busy(one, true);
    if (kind == Kind::recorded) groups_.set_owned(one, true);
  }
  return outcome;
}

}  // namespace vexfs
