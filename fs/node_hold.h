// SPDX-License-Identifier: Apache-2.0
// Holds: the locks of live inodes, taken so that the node is loaded and the order is right.
//
// With Wait::never a lock that is taken and a record that is not in memory are EAGAIN. ENOENT:
// there is no such inode (any more).
#pragma once
#include <array>
#include <cstddef>
#include <utility>

#include "fs/node.h"
#include "storage/volume.h"

namespace vexfs {

// For reading.
class ReadHold {
 public:
  static Result<ReadHold> take(Volume& volume, Node& node, Wait wait);
  ReadHold(ReadHold&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  ReadHold& operator=(ReadHold&&) = delete;
  ~ReadHold() { release(); }
  void release();

 private:
  explicit ReadHold(Node& node) : node_(&node) {}
  Node* node_;
};

// For changing, up to four nodes at once; the same one may come twice, and null is nobody.
class WriteHold {
 public:
  static constexpr std::size_t kNodesMax = 4;
  using Nodes = std::array<Node*, kNodesMax>;
  static Result<WriteHold> take(Volume& volume, Nodes nodes, Wait wait);
  static Result<WriteHold> take(Volume& volume, Node& node, Wait wait) {
    return take(volume, Nodes{&node}, wait);
  }
  WriteHold(WriteHold&& other) noexcept
      : nodes_(other.nodes_), held_(std::exchange(other.held_, 0)) {}
  WriteHold& operator=(WriteHold&&) = delete;
  ~WriteHold() { release(); }
  void release();

 private:
  explicit WriteHold(Nodes nodes) : nodes_(nodes) {}
  Result<> take_one(Volume& volume, Node& node, Wait wait);
  Nodes nodes_;
  std::size_t held_ = 0;  // the first so many of nodes_ are locked
};

// Node::write_back: held through a write-back, a truncation, a change of the user's vector.
class SerialHold {
 public:
  static Result<SerialHold> take(Node& node, Wait wait);
  SerialHold(SerialHold&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  SerialHold& operator=(SerialHold&&) = delete;
  ~SerialHold();

 private:
  explicit SerialHold(Node& node) : node_(&node) {}
  Node* node_;
};

}  // namespace vexfs
