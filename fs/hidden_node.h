// SPDX-License-Identifier: Apache-2.0
// HiddenNode: what a nodeid with the top bit stands for; HiddenTable: the ids that the kernel
// holds. Nothing here is stored: a node is its description.
//
// Always: one description has one id while the kernel holds it, so a path keeps its inode number.
// Threads: any.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "fs/types.h"
#include "search/question.h"

namespace vexfs {

struct HiddenNode {
  enum class Kind : std::uint8_t {
    root,          // DIR/.vexfs
    search_root,   // DIR/.vexfs/search and search.OPTIONS
    similar_root,  // DIR/.vexfs/similar and similar.OPTIONS
    answer,        // DIR/.vexfs/search/QUERY, DIR/.vexfs/similar/NAME
    result,        // a symlink in an answer
    results_json,  // results.jsonl in an answer
    query,
    status,
    readme,
    errors,
    metrics,
    stats,
    control,
    commit,
  };
  Kind kind = Kind::root;
  Ino directory{};            // DIR
  std::string options = {};   // as written after "search." or "similar."
  std::string question = {};  // answer: the question, or empty for a similar/ one
  Ino similar_to{};           // answer: the file asked about
  std::string target = {};    // result: where the symlink points
  timespec mtime{};           // result: of the file it points to
  uid_t uid = 0;              // of DIR, so that its owner owns what is below
  gid_t gid = 0;

  bool is_directory() const { return kind <= Kind::answer; }
  std::string description() const;  // equal for equal nodes
};

using HiddenNodeRef = std::shared_ptr<const HiddenNode>;  // a reply may outlive the forget

class HiddenTable {
 public:
  // The id of this node, with one more lookup counted.
  NodeId look_up(HiddenNode node);
  // Null for an id the kernel does not hold.
  HiddenNodeRef find(NodeId id) const;
  void forget(NodeId id, std::uint64_t lookups);
  std::size_t size() const;

 private:
  struct Held {
    HiddenNodeRef node;
    std::string description;
    std::uint64_t lookups = 0;
  };
  mutable Mutex mutex_{Rank::hidden};
  NodeId next_ GUARDED_BY(mutex_) = kHiddenBit | 1;
  std::unordered_map<NodeId, Held> by_id_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, NodeId> by_description_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
