// SPDX-License-Identifier: Apache-2.0
#include "fs/node_table.h"

#include <algorithm>

#include "base/metrics.h"

namespace vexfs {

namespace {

Gauge& live_inodes() {
  static Gauge& gauge = metrics::gauge("vexfs_files_live_inodes", "Inodes in memory");
  return gauge;
}

}  // namespace

NodeRef::~NodeRef() {
  if (node_) table_->unpin(*node_);
}

NodeRef NodeRef::again() const {
  table_->repin(*node_);
  return NodeRef(table_, node_);
}

LiveNodes::~LiveNodes() {
  for (Shard& one : shards_) {
    Lock lock(one.mutex);
    live_inodes().add(-static_cast<std::int64_t>(one.slots.size()));
  }
}

NodeRef LiveNodes::pin(Ino ino) {
  Shard& home = shard(ino);
  Lock lock(home.mutex);
  Slot& slot = home.slots[static_cast<std::uint64_t>(ino)];
  if (!slot.node) {
    slot.node = std::make_unique<Node>(ino);
    live_inodes().add(1);
  }
  ++slot.pins;
  return NodeRef(this, slot.node.get());
}

NodeRef LiveNodes::find(Ino ino) {
  Shard& home = shard(ino);
  Lock lock(home.mutex);
  const auto it = home.slots.find(static_cast<std::uint64_t>(ino));
  if (it == home.slots.end()) return {};
  ++it->second.pins;
  return NodeRef(this, it->second.node.get());
}

void LiveNodes::repin(Node& node) {
  Shard& home = shard(node.ino);
  Lock lock(home.mutex);
  ++home.slots.at(static_cast<std::uint64_t>(node.ino)).pins;
}

void LiveNodes::count_lookup(Node& node) {
  Shard& home = shard(node.ino);
  Lock lock(home.mutex);
  ++home.slots.at(static_cast<std::uint64_t>(node.ino)).lookups;
}

void LiveNodes::forget(Ino ino, std::uint64_t lookups) {
  std::unique_ptr<Node> gone;  // ends after the lock
  Shard& home = shard(ino);
  Lock lock(home.mutex);
  const auto it = home.slots.find(static_cast<std::uint64_t>(ino));
  if (it == home.slots.end()) return;
  Slot& slot = it->second;
  slot.lookups -= std::min(slot.lookups, lookups);
  if (slot.lookups != 0 || slot.pins != 0) return;
  gone = std::move(slot.node);
  home.slots.erase(it);
  live_inodes().add(-1);
}

void LiveNodes::unpin(Node& node) {
  std::unique_ptr<Node> gone;
  Shard& home = shard(node.ino);
  Lock lock(home.mutex);
  const auto it = home.slots.find(static_cast<std::uint64_t>(node.ino));
  Slot& slot = it->second;
  if (--slot.pins != 0 || slot.lookups != 0) return;
  gone = std::move(slot.node);
  home.slots.erase(it);
  live_inodes().add(-1);
}

}  // namespace vexfs
