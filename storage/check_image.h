// SPDX-License-Identifier: Apache-2.0
// CheckImage: the trees of a volume as they are on the device, with the changes of the log on
// top, for a check. Unlike the Volume it goes on where something is damaged.
//
// The log's changes are kept in memory: at most a ring full.
// Threads: reading from any, after open().
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "storage/block_device.h"
#include "storage/check_report.h"
#include "storage/superblock.h"
#include "storage/transaction.h"

namespace vexfs {

class CheckImage {
 public:
  // Reads superblock and log; what is wrong with them goes to `report`. The errors of
  // read_superblock().
  static Result<std::unique_ptr<CheckImage>> open(BlockDevice& device, CheckReport& report);

  BlockDevice& device() const { return device_; }
  const Superblock& facts() const { return facts_; }
  std::uint64_t log_frames() const { return frames_; }
  std::uint64_t log_transactions() const { return transactions_; }
  // What the log adopts and frees, in its order.
  const std::vector<TransactionReader::Record>& space_changes() const { return space_changes_; }

  // Whether `bytes` are the page that a pointer means; else a code of a finding and why.
  struct Fault {
    const char* code = nullptr;  // none: it is
    const char* why = "";
  };
  static Fault fault_of(Bytes bytes, const PagePointer& pointer, Tree tree, unsigned level);
  bool holds_page(std::uint64_t address) const;
  bool has_snapshots() const {
    return !facts_.roots[static_cast<unsigned>(Tree::snapshot)].page.none();
  }

  // Calls visit(key, value) for every pair with from <= key < to that can be read, in order, until
  // it says false. False: something of the tree could not be read.
  using Visit = FunctionRef<bool(Bytes key, Bytes value)>;
  bool scan(Tree tree, Bytes from, Bytes to, Visit visit) const;
  bool scan(Tree tree, Visit visit) const { return scan(tree, {}, {}, visit); }
  // The same for a tree of a snapshot, which the log does not change.
  bool scan_pinned(Tree tree, const TreeRoot& root, Visit visit) const;
  // Nothing where it is absent or cannot be read.
  std::optional<std::string> get(Tree tree, Bytes key) const;

  // A tree that is not walked again: it is no tree (a page twice).
  void close(Tree tree) { closed_.insert(tree); }

 private:
  using Changes = std::map<std::string, std::optional<std::string>>;  // erased: no value
  CheckImage(BlockDevice& device, const Superblock& facts) : device_(device), facts_(facts) {}
  void check_superblocks(CheckReport& report);
  void read_log(CheckReport& report);
  void apply(Bytes records, CheckReport& report);
  class Merge;
  bool walk(Tree tree, const TreeRoot& from, Merge& merge) const;

  BlockDevice& device_;
  const Superblock facts_;
  std::array<Changes, kTreeCount> changes_;
  std::vector<TransactionReader::Record> space_changes_;
  std::uint64_t frames_ = 0, transactions_ = 0;
  std::set<Tree> closed_;
};

}  // namespace vexfs
