// SPDX-License-Identifier: Apache-2.0
#include "fs/node_hold.h"

#include <algorithm>

#include "fs/inode_format.h"

// Locks that outlive the function that takes them are beyond clang's analysis; these classes are
// the one place that does it.
#define VEXFS_HOLDS VEXFS_TSA(no_thread_safety_analysis)

namespace vexfs {

namespace {

// With node.lock held for writing.
Result<> load(Volume& volume, Node& node, Wait wait) {
  std::string record;
  VEXFS_CHECK(volume.get(Tree::inode, ino_key(node.ino), record, wait));
  VEXFS_TRY(node.inode, Inode::decode(as_bytes(record)));
  node.logged_size = node.inode.size;
  node.logged_content = node.inode.content;
  // Its last transaction may be in the log but not yet durable; which one that was is forgotten.
  node.lsn.store(static_cast<std::uint64_t>(volume.last_lsn()), std::memory_order_relaxed);
  node.loaded.store(true, std::memory_order_release);
  return {};
}

VEXFS_HOLDS Result<> lock(Node& node, Wait wait) {
  if (wait == Wait::allowed)
    node.lock.lock();
  else if (!node.lock.try_lock())
    return fail(EAGAIN, "node: locked");
  return {};
}

}  // namespace

VEXFS_HOLDS Result<ReadHold> ReadHold::take(Volume& volume, Node& node, Wait wait) {
  if (!node.loaded.load(std::memory_order_acquire)) {
    VEXFS_TRY([[maybe_unused]] const auto loaded, WriteHold::take(volume, node, wait));
  }
  if (wait == Wait::allowed)
    node.lock.lock_shared();
  else if (!node.lock.try_lock_shared())
    return fail(EAGAIN, "node: locked");
  return ReadHold(node);
}

VEXFS_HOLDS void ReadHold::release() {
  if (Node* node = std::exchange(node_, nullptr)) node->lock.unlock_shared();
}

VEXFS_HOLDS Result<> WriteHold::take_one(Volume& volume, Node& node, Wait wait) {
  VEXFS_CHECK(lock(node, wait));
  ++held_;
  if (!node.loaded.load(std::memory_order_relaxed)) return load(volume, node, wait);
  return {};
}

VEXFS_HOLDS Result<WriteHold> WriteHold::take(Volume& volume, Nodes nodes, Wait wait) {
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) {
    return (a && !b) || (a && b && a->ino < b->ino);  // nobody comes last
  });
  std::fill(std::unique(nodes.begin(), nodes.end()), nodes.end(), nullptr);
  WriteHold hold(nodes);
  for (Node* node : nodes)
    if (node) VEXFS_CHECK(hold.take_one(volume, *node, wait));
  return hold;
}

VEXFS_HOLDS void WriteHold::release() {
  while (held_ > 0) nodes_[--held_]->lock.unlock();
}

VEXFS_HOLDS Result<SerialHold> SerialHold::take(Node& node, Wait wait) {
  if (wait == Wait::allowed)
    node.write_back.lock();
  else if (!node.write_back.try_lock())
    return fail(EAGAIN, "node: being written back");
  return SerialHold(node);
}

VEXFS_HOLDS SerialHold::~SerialHold() {
  if (node_) node_->write_back.unlock();
}

}  // namespace vexfs
