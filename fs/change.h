// SPDX-License-Identifier: Apache-2.0
// Change: new attributes of up to four inodes, and a transaction that makes them true together
// with whatever else the caller puts into it.
//
// Always: nothing in memory changes before the transaction is committed.
// Threads: one, which holds the nodes' locks for writing until commit() has returned.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "fs/node.h"
#include "storage/extent_edit.h"
#include "storage/transaction.h"
#include "storage/volume.h"

namespace vexfs {

// The attributes as they may be logged now: with a size and a content generation that cover only
// what is on the disk or in the log, if blocks at and after `first_pending` are not.
Inode loggable(const Node& node, const Inode& inode, std::uint64_t first_pending);

// Of the one node edited, blocks before `to` that are being written are on the disk; `content`
// is the generation of this state if others are not yet.
struct WrittenSoFar {
  std::uint64_t to = 0;
  bool all = false;  // what is not, is in this transaction
  std::uint64_t content = 0;
};

class Change {
 public:
  explicit Change(Volume& volume) : volume_(volume), all_(std::make_unique<All>()) {}
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  Transaction transaction;
  // Of the content of one file; its caller logs it. Lives here because it outlives the commit.
  ExtentEdit& edit_extents(Ino ino, Wait wait) {
    extents_ = std::make_unique<ExtentEdit>(volume_, ino, wait);
    return *extents_;
  }

  // The attributes to change, as they are at the first call for this node.
  Inode& edit(Node& node);
  // The node's record goes away with this change.
  void remove(Node& node);
  Result<> commit(Volume::CommitOptions options, WrittenSoFar written = {});

 private:
  struct One {
    Node* node = nullptr;
    Inode next;
    Inode logged;  // of `next`, what the transaction says
    bool removed = false;
  };
  using All = std::array<One, 4>;
  One& one(Node& node);
  void log(One& change, WrittenSoFar written);

  Volume& volume_;
  std::unique_ptr<ExtentEdit> extents_;
  const std::unique_ptr<All> all_;  // on the heap: a kilobyte
  std::size_t count_ = 0;
};

}  // namespace vexfs
