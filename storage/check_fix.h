// SPDX-License-Identifier: Apache-2.0
// CheckFixes: what a repair writes, found while checking. Plain data.
//
// Blocks that an erased pair referenced need no record: the map of free space is made again.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "storage/types.h"

namespace vexfs {

struct CheckFix {
  Tree tree{};
  std::string key;
  std::optional<std::string> value;  // none: erased
};

class CheckFixes {
 public:
  void put(Tree tree, Bytes key, Bytes value) {
    all_.push_back({tree, std::string(as_text(key)), std::string(as_text(value))});
  }
  void erase(Tree tree, Bytes key) { all_.push_back({tree, std::string(as_text(key)), {}}); }
  const std::vector<CheckFix>& all() const { return all_; }

  std::vector<std::uint64_t> find_again;  // inodes without a name, for lost+found
  bool search_again = false;              // what search has derived is to be made anew
  bool empty() const { return all_.empty() && find_again.empty() && !search_again; }

 private:
  std::vector<CheckFix> all_;
};

}  // namespace vexfs
