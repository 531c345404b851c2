// SPDX-License-Identifier: Apache-2.0
// How a transaction becomes part of the volume.
#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "base/metrics.h"
#include "storage/store.h"

namespace vexfs {

using Kind = TransactionReader::Kind;

namespace {

struct CommitMetrics {
  Histogram& took = metrics::histogram("vexfs_transaction_seconds", "Commit of one transaction");
  Counter& waits =
      metrics::counter("vexfs_transaction_waits_total", "Commits that waited for a checkpoint");
  Counter& misses =
      metrics::counter("vexfs_transaction_misses_total", "Commits that waited for a tree page");
};

CommitMetrics& commit_metrics() {
  static CommitMetrics& the_one = *new CommitMetrics;
  return the_one;
}

bool is_pair(const TransactionReader::Record& record) {
  return record.kind == Kind::put || record.kind == Kind::erase;
}

}  // namespace

// What a transaction needs, counted before any lock is taken.
struct Store::Plan {
  std::uint32_t trees = 0;  // bit per tree
  std::uint64_t puts = 0;
  Claim claim = Claim::ordinary;

  static Plan of(Bytes records, bool freeing) {
    Plan plan{.claim = freeing ? Claim::freeing : Claim::ordinary};
    TransactionReader reader(records);
    for (TransactionReader::Record record; reader.next(record);) {
      if (!is_pair(record)) continue;
      // These belong to checkpoints.
      VEXFS_ASSERT(record.tree != Tree::free_space && record.tree != Tree::snapshot);
      plan.trees |= 1U << static_cast<unsigned>(record.tree);
      if (record.kind == Kind::put) ++plan.puts;
    }
    VEXFS_ASSERT(!reader.failed());
    return plan;
  }
};

// The latches of a plan's trees, exclusive, taken in the order of their numbers.
class Store::Latches {
 public:
  Latches(Store& store, std::uint32_t trees) : store_(store), trees_(trees) {
    for (std::uint32_t rest = trees_; rest != 0; rest &= rest - 1)
      store_.trees_[static_cast<unsigned>(std::countr_zero(rest))]->latch().lock();
  }
  ~Latches() {
    for (std::uint32_t rest = trees_; rest != 0; rest &= rest - 1)
      store_.trees_[static_cast<unsigned>(std::countr_zero(rest))]->latch().unlock();
  }
  Latches(const Latches&) = delete;
  Latches& operator=(const Latches&) = delete;
  std::uint64_t pages_for(std::uint64_t puts) const UNCHECKED {
    std::uint64_t most = 0, count = 0;
    for (std::uint32_t rest = trees_; rest != 0; rest &= rest - 1, ++count)
      most = std::max(
          most, store_.trees_[static_cast<unsigned>(std::countr_zero(rest))]->pages_for(puts));
    return most + count;
  }

 private:
  Store& store_;
  const std::uint32_t trees_;
};

Result<Lsn> Store::commit(Transaction& transaction, CommitOptions options) {
  VEXFS_ASSERT(transaction.bytes() <= kTransactionBytesMax);
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  VEXFS_CHECK(health_.writable());
  if (transaction.empty()) return last_lsn();
  const bool strict = options_.sync == SyncPolicy::strict;
  if (strict && options.wait == Wait::never) return fail(EAGAIN, "volume: waits for the disk");
  Timed timed(commit_metrics().took);
  const Plan plan = Plan::of(transaction.log(), options.freeing);
  std::unique_ptr<PageWait> pages;  // made when one is missing
  bool tried_checkpoint = false;
  for (;;) {
    PageWait::Missing missing;
    Result<Lsn> lsn = Lsn{};
    const Outcome outcome = try_commit(transaction.log(), plan, missing, lsn);
    if (outcome == Outcome::failed) return lsn;
    if (outcome == Outcome::done) {
      transaction.clear();
      checkpoint_if_due();
      if (strict) VEXFS_CHECK(sync(*lsn));
      return lsn;
    }
    if (options.wait == Wait::never) return fail(EAGAIN, "volume: not without waiting");
    if (outcome == Outcome::missing) {
      commit_metrics().misses.add();
      if (!pages) pages = std::make_unique<PageWait>();
      VEXFS_CHECK(pages->load(cache_, missing));
    } else {
      VEXFS_CHECK(make_room(outcome, tried_checkpoint));
    }
  }
}

Result<> Store::make_room(Outcome outcome, bool& tried_checkpoint) {
  if (outcome == Outcome::device_behind) {
    wal_->wait_for_device();
    return {};
  }
  if (outcome == Outcome::no_space && (tried_checkpoint || !space_.has_pending()))
    return fail(ENOSPC, "volume: full");
  if (outcome == Outcome::no_space) tried_checkpoint = true;
  commit_metrics().waits.add();
  return checkpointer_->run_now();
}

Store::Outcome Store::try_commit(Bytes records, const Plan& plan, PageWait::Missing& missing,
                                 Result<Lsn>& lsn) {
  if (cache_.dirty_pages.load(std::memory_order_relaxed) > dirty_pages_max())
    return Outcome::log_full;
  const SharedLatchRead gate(gate_);
  const Latches latches(*this, plan.trees);
  if (const Outcome ready = prepare(records, plan, missing); ready != Outcome::done) return ready;
  const std::uint64_t pages = latches.pages_for(plan.puts);
  if (!space_.promise_pages(pages, plan.claim)) return Outcome::no_space;
  Result<> applied = apply_space(records);
  if (applied) {
    lsn = wal_->append(records);
    if (lsn)
      apply_pairs(records);
    else
      undo_space(records, ~std::size_t{0});
  } else {
    lsn = std::unexpected(applied.error());
  }
  space_.end_promise(pages);
  if (lsn) return Outcome::done;
  if (lsn.error().code == EAGAIN) return Outcome::log_full;
  if (lsn.error().code == EBUSY) return Outcome::device_behind;
  return Outcome::failed;
}

Store::Outcome Store::prepare(Bytes records, const Plan& plan, PageWait::Missing& missing) {
  TransactionReader reader(records);
  for (TransactionReader::Record record; reader.next(record);) {
    if (!is_pair(record)) continue;
    switch (
        tree(record.tree).prepare(record.key, record.kind == Kind::erase, plan.claim, missing)) {
      case BTree::Ready::yes:
        break;
      case BTree::Ready::missing:
        return Outcome::missing;
      case BTree::Ready::no_space:
        return Outcome::no_space;
    }
  }
  return Outcome::done;
}

// All adopts and frees, or none of them.
Result<> Store::apply_space(Bytes records) {
  TransactionReader reader(records);
  std::size_t done = 0;
  for (TransactionReader::Record record; reader.next(record); ++done) {
    Result<> applied;
    if (record.kind == Kind::adopt) applied = space_.adopt(record.extent);
    if (record.kind == Kind::free) applied = space_.free(record.extent);
    if (applied) continue;
    undo_space(records, done);
    return applied;
  }
  return {};
}

// Takes back the adopts and frees among the first `count` records. They are independent of
// each other but for an extent adopted and freed at once, which ends as it began.
void Store::undo_space(Bytes records, std::size_t count) {
  TransactionReader reader(records);
  std::vector<TransactionReader::Record> done;
  for (TransactionReader::Record record; done.size() < count && reader.next(record);)
    done.push_back(record);
  for (auto record = done.rbegin(); record != done.rend(); ++record) {
    if (record->kind == Kind::adopt) space_.undo_adopt(record->extent);
    if (record->kind == Kind::free) space_.undo_free(record->extent);
  }
}

void Store::apply_pairs(Bytes records) {
  TransactionReader reader(records);
  std::vector<TransactionReader::Record> sparse;
  for (TransactionReader::Record record; reader.next(record);) {
    if (record.kind == Kind::put)
      tree(record.tree).put(record.key, record.value);
    else if (record.kind == Kind::erase && tree(record.tree).erase(record.key))
      sparse.push_back(record);
  }
  for (const TransactionReader::Record& record : sparse) tree(record.tree).rebalance(record.key);
}

void Store::checkpoint_if_due() {
  constexpr std::uint64_t kLogBytesMax = std::uint64_t{128} << 20;
  const std::uint64_t log = wal_->bytes_since_cut();
  const std::size_t dirty = cache_.dirty_pages.load(std::memory_order_relaxed) -
                            frozen_pages_.load(std::memory_order_relaxed);
  if (log > std::min(kLogBytesMax, log_bytes_ / 2) || dirty > cache_.pages_max() / 4)
    checkpointer_->request();
}

}  // namespace vexfs
