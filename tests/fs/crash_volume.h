// SPDX-License-Identifier: Apache-2.0
// CrashVolume: a volume that forgets like a machine that loses its power. Transactions survive as
// a prefix that holds at least what was synced; data blocks survive when a flush came after them,
// and otherwise by chance.
//
// Threads: any, one lock. Fault model: no torn blocks; those are the device's part.
#pragma once
#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "tests/support/model_volume.h"

namespace vexfs {

class CrashVolume final : public Volume {
 public:
  Result<> close() override { return {}; }
  Result<> get(Tree tree, Bytes key, std::string& value, Wait wait) override {
    return now_->get(tree, key, value, wait);
  }
  Result<> scan(Tree tree, Bytes from, Bytes to, Visit visit, Wait wait) override {
    return now_->scan(tree, from, to, visit, wait);
  }
  using Volume::commit;
  Result<Lsn> commit(Transaction& transaction, CommitOptions options) override {
    Lock lock(mutex_);
    log_.emplace_back(as_text(transaction.log()));
    return now_->commit(transaction, options);
  }
  Result<> sync(Lsn lsn) override {
    Lock lock(mutex_);
    durable_ = std::max(durable_, static_cast<std::uint64_t>(lsn));
    return {};
  }
  void sync(Lsn lsn, Done done) override { done(sync(lsn)); }
  Lsn last_lsn() const override { return now_->last_lsn(); }
  Result<> checkpoint() override { return {}; }
  Result<> flush_data(FlushSite) override {
    Lock lock(mutex_);
    for (auto& [block, content] : unflushed_) blocks_[block] = std::move(content);
    unflushed_.clear();
    return {};
  }
  Result<Extent> allocate(std::uint32_t blocks, BlockNo hint) override {
    return now_->allocate(blocks, hint);
  }
  void release(Extent extent) override { now_->release(extent); }
  Result<> reserve(std::uint64_t blocks) override { return now_->reserve(blocks); }
  void unreserve(std::uint64_t blocks) override { now_->unreserve(blocks); }
  SpaceInfo space() const override { return now_->space(); }
  Result<> read_blocks(BlockNo first, MutableBytes into, Wait wait) override {
    return now_->read_blocks(first, into, wait);
  }
  Result<> write_blocks(BlockNo first, Bytes from) override {
    Lock lock(mutex_);
    for (std::size_t at = 0; at < from.size(); at += kBlockBytes)
      unflushed_[static_cast<std::uint64_t>(first) + at / kBlockBytes] =
          std::string(as_text(from.subspan(at, kBlockBytes)));
    return now_->write_blocks(first, from);
  }
  VolumeInfo info() const override {
    return {.size_bytes = std::uint64_t{1} << 32, .mount_epoch = epoch_};
  }
  bool read_only() const override { return false; }

  // The power goes and comes back. Nothing may use the volume meanwhile.
  void crash(std::mt19937_64& rng) {
    Lock lock(mutex_);
    const std::uint64_t kept = durable_ + rng() % (log_.size() - durable_ + 1);
    log_.resize(kept);
    durable_ = kept;
    auto next = std::make_unique<ModelVolume>();
    // What it gives out is never what was given out before, so a mix-up would be garbage.
    const std::uint64_t given = (1 << 20) - now_->space().free - 64;
    if (given > 0) REQUIRE(next->allocate(static_cast<std::uint32_t>(given), {}));
    for (const std::string& records : log_) {
      Transaction transaction;
      replay(records, transaction);
      REQUIRE(next->commit(transaction));
    }
    for (auto& [block, content] : unflushed_)
      if (rng() % 2 == 0) blocks_[block] = std::move(content);
    unflushed_.clear();
    for (const auto& [block, content] : blocks_)
      REQUIRE(next->write_blocks(BlockNo{block}, as_bytes(content)));
    now_ = std::move(next);
    ++epoch_;
  }

 private:
  static void replay(const std::string& records, Transaction& into) {
    TransactionReader reader(as_bytes(records));
    for (TransactionReader::Record record; reader.next(record);) {
      using Kind = TransactionReader::Kind;
      if (record.kind == Kind::put) into.put(record.tree, record.key, record.value);
      if (record.kind == Kind::erase) into.erase(record.tree, record.key);
      if (record.kind == Kind::adopt) into.adopt(record.extent);
      if (record.kind == Kind::free) into.free(record.extent);
    }
  }

  Mutex mutex_{Rank::volume};
  std::unique_ptr<ModelVolume> now_ = std::make_unique<ModelVolume>();
  std::vector<std::string> log_;  // of every transaction; LSN n is log_[n - 1]
  std::uint64_t durable_ = 0;
  std::map<std::uint64_t, std::string> blocks_, unflushed_;
  std::uint64_t epoch_ = 1;
};

}  // namespace vexfs
