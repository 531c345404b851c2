// SPDX-License-Identifier: Apache-2.0
// LiveNodes: the live inodes, by number.
//
// A node is in memory while something refers to it: lookups of the kernel, or a NodeRef (calls in
// progress, opens, the list of dirty files). Then it goes; the table is as large as that, never
// as the volume.
// Threads: any; sharded by number, Rank::node_table.
#pragma once
#include <array>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"
#include "fs/node.h"

namespace vexfs {

class LiveNodes;

// NodeRef: keeps a node in memory.
class NodeRef {
 public:
  NodeRef() = default;
  NodeRef(NodeRef&& other) noexcept
      : table_(other.table_), node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef();
  Node& operator*() const { return *node_; }
  Node* operator->() const { return node_; }
  Node* get() const { return node_; }
  explicit operator bool() const { return node_ != nullptr; }
  NodeRef again() const;  // a second reference to the same node

 private:
  friend class LiveNodes;
  NodeRef(LiveNodes* table, Node* node) : table_(table), node_(node) {}
  LiveNodes* table_ = nullptr;
  Node* node_ = nullptr;
};

class LiveNodes {
 public:
  LiveNodes() = default;
  ~LiveNodes();
  // The node of this number, loaded or not yet.
  NodeRef pin(Ino ino);
  // The same when it is in memory, else nothing.
  NodeRef find(Ino ino);
  // The kernel knows it once more.
  void count_lookup(Node& node);
  // Takes back at most as many as were counted.
  void forget(Ino ino, std::uint64_t lookups);

 private:
  friend class NodeRef;
  struct Slot {
    std::unique_ptr<Node> node;
    std::uint64_t lookups = 0, pins = 0;
  };
  struct Shard {
    Mutex mutex{Rank::node_table};
    std::unordered_map<std::uint64_t, Slot> slots GUARDED_BY(mutex);
  };
  static constexpr std::size_t kShards = 64;
  Shard& shard(Ino ino) { return shards_[static_cast<std::uint64_t>(ino) % kShards]; }
  void repin(Node& node);
  void unpin(Node& node);
  std::array<Shard, kShards> shards_;
};

}  // namespace vexfs
