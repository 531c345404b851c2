// SPDX-License-Identifier: Apache-2.0
#include "search/queue_book.h"

#include <utility>

namespace vexfs {

Result<> QueueBook::open(FunctionRef<void(const Record&)> visit) {
  std::vector<Record> owed;
  {
    Lock lock(mutex_);
    VEXFS_CHECK(volume_.scan(Tree::queue, {}, {}, [&](Bytes key, Bytes value) {
      KeyReader reader(key);
      const Record record{.ino = Ino{reader.u64()},
                          .what = static_cast<Owed>(reader.u8()),
                          .sequence = reader.u64()};
      if (reader.failed()) return true;
      if (record.what == Owed::failed || record.what == Owed::parked)
        reasons(record.what)[record.ino] = as_text(value);
      else
        owed.push_back(record);
      return true;
    }));
  }
  for (const Record& record : owed) visit(record);
  return {};
}

void QueueBook::log(Transaction& transaction, const Record& record) {
  transaction.put(Tree::queue, search_key::owed(record.ino, record.what, record.sequence), {});
}

void QueueBook::settle(const Record& record) {
  Lock lock(mutex_);
  settled_.push_back(record);
}

std::size_t QueueBook::settled() const {
  Lock lock(mutex_);
  return settled_.size();
}

std::vector<QueueBook::Record> QueueBook::take_settled() {
  Lock lock(mutex_);
  return std::exchange(settled_, {});
}

void QueueBook::put_back(std::vector<Record> records) {
  Lock lock(mutex_);
  settled_.insert(settled_.end(), records.begin(), records.end());
}

Result<> QueueBook::erase(const std::vector<Record>& records) {
  Transaction transaction;
  std::vector<std::uint64_t> sequences;
  for (const Record& record : records) {
    sequences.clear();
    const Key from = search_key::owed(record.ino, record.what, 0);
    const auto collect = [&](Bytes key, Bytes) {
      KeyReader reader(key);
      reader.u64();
      reader.u8();
      sequences.push_back(reader.u64());
      return true;
    };
    const Key to = search_key::owed(record.ino, record.what, record.sequence + 1);
    VEXFS_CHECK(volume_.scan(Tree::queue, from, to, collect));
    for (const std::uint64_t sequence : sequences)
      transaction.erase(Tree::queue, search_key::owed(record.ino, record.what, sequence));
    if (transaction.bytes() > kTransactionBytesMax / 2)
      VEXFS_CHECK(volume_.commit(transaction, {.freeing = true}));
  }
  if (!transaction.empty()) VEXFS_CHECK(volume_.commit(transaction, {.freeing = true}));
  return {};
}

Result<> QueueBook::refuse(Ino ino, Owed what, const std::string& reason) {
  {
    Lock lock(mutex_);
    Reasons& known = reasons(what);
    const auto found = known.find(ino);
    if (found == known.end() ? reason.empty() : found->second == reason) return {};
    if (reason.empty())
      known.erase(found);
    else
      known[ino] = reason;
  }
  Transaction transaction;
  const Key key = search_key::owed(ino, what, 0);
  if (reason.empty())
    transaction.erase(Tree::queue, key);
  else
    transaction.put(Tree::queue, key, as_bytes(reason));
  VEXFS_CHECK(volume_.commit(transaction));
  return {};
}

std::optional<std::string> QueueBook::reason(Ino ino, Owed what) const {
  Lock lock(mutex_);
  const Reasons& known = reasons(what);
  const auto found = known.find(ino);
  if (found == known.end()) return std::nullopt;
  return found->second;
}

std::vector<Ino> QueueBook::refused(Owed what) const {
  Lock lock(mutex_);
  std::vector<Ino> all;
  for (const auto& [ino, why] : reasons(what)) all.push_back(ino);
  return all;
}

}  // namespace vexfs
