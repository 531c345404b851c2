// SPDX-License-Identifier: Apache-2.0
// Transaction: a set of puts and erases that becomes visible, and later durable, as one.
//
// Built by one thread, given to Volume::commit() once. Records are idempotent. Blocks that it
// begins to reference (adopt) or stops to reference (free) are named here, so replay and the
// space map agree. The last put or erase of a key wins.
#pragma once
#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "storage/types.h"

namespace vexfs {

class Transaction {
 public:
  // Both copy. Larger is a bug: key 1 ..= kKeyBytesMax, value <= kValueBytesMax.
  void put(Tree tree, Bytes key, Bytes value);
  void erase(Tree tree, Bytes key);  // erasing what is absent is fine
  void adopt(Extent extent);         // from Volume::allocate(); referenced from now on
  // Reusable after the next checkpoint; kept for the newest snapshot if its birth is not newer.
  void free(Extent extent);
  void clear();

  bool empty() const { return records_ == 0; }
  Bytes log() const { return log_; }                 // the records as they go into the log
  std::size_t bytes() const { return log_.size(); }  // <= kTransactionBytesMax at commit
  std::size_t records() const { return records_; }

 private:
  friend class TransactionReader;
  std::vector<std::byte> log_;
  std::size_t records_ = 0;
};

// TransactionReader: the records of a transaction, or of the body of a log frame, in order.
// Bytes that no Transaction wrote end it with failed().
class TransactionReader {
 public:
  enum class Kind : std::uint8_t { put = 1, erase = 2, adopt = 3, free = 4 };
  struct Record {
    Kind kind{};
    Tree tree{};  // put, erase
    Bytes key, value;
    Extent extent;  // adopt, free
  };
  explicit TransactionReader(const Transaction& transaction) : rest_(transaction.log_) {}
  explicit TransactionReader(Bytes log) : rest_(log) {}
  bool next(Record& record);  // false at the end
  bool failed() const { return failed_; }

 private:
  Bytes rest_;
  bool failed_ = false;
};

}  // namespace vexfs
