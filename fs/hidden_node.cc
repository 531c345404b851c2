// SPDX-License-Identifier: Apache-2.0
#include "fs/hidden_node.h"

#include <utility>

namespace vexfs {

std::string HiddenNode::description() const {
  // The parts that may hold any byte carry their length, so two nodes never read alike.
  std::string text;
  for (const std::uint64_t number :
       {std::uint64_t{std::to_underlying(kind)}, std::to_underlying(directory), std::uint64_t{uid},
        std::uint64_t{gid}, std::to_underlying(similar_to)})
    text.append(std::to_string(number)).push_back(':');
  for (const std::string* part : {&options, &question})
    text.append(std::to_string(part->size())).append(":").append(*part).push_back(':');
  return text += target;
}

NodeId HiddenTable::look_up(HiddenNode node) {
  std::string description = node.description();
  Lock lock(mutex_);
  auto [known, added] = by_description_.try_emplace(std::move(description), next_);
  if (added) {
    by_id_.emplace(next_, Held{.node = std::make_shared<const HiddenNode>(std::move(node)),
                               .description = known->first,
                               .lookups = 0});
    ++next_;
  }
  ++by_id_.at(known->second).lookups;
  return known->second;
}

HiddenNodeRef HiddenTable::find(NodeId id) const {
  Lock lock(mutex_);
  const auto held = by_id_.find(id);
  return held == by_id_.end() ? nullptr : held->second.node;
}

void HiddenTable::forget(NodeId id, std::uint64_t lookups) {
  Lock lock(mutex_);
  const auto held = by_id_.find(id);
  if (held == by_id_.end()) return;
  held->second.lookups -= std::min(lookups, held->second.lookups);
  if (held->second.lookups > 0) return;
  by_description_.erase(held->second.description);
  by_id_.erase(held);
}

std::size_t HiddenTable::size() const {
  Lock lock(mutex_);
  return by_id_.size();
}

}  // namespace vexfs
