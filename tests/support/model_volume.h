// SPDX-License-Identifier: Apache-2.0
// ModelVolume: Volume by definition, on std::map. The oracle that the real one is compared to,
// and a volume for tests of what stands above it. Threads: any, one lock.
#pragma once
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/volume.h"

namespace vexfs {

class ModelVolume : public Volume {
 public:
  explicit ModelVolume(std::uint64_t blocks = 1 << 20) : blocks_(blocks) {}

  Result<> close() override { return {}; }
  Result<> get(Tree tree, Bytes key, std::string& value, Wait) override {
    Lock lock(mutex_);
    const auto& pairs = trees_[static_cast<unsigned>(tree)];
    const auto found = pairs.find(as_text(key));
    if (found == pairs.end()) return fail(ENOENT, "model: no such key");
    value = found->second;
    return {};
  }
  Result<> scan(Tree tree, Bytes from, Bytes to, Visit visit, Wait) override {
    Lock lock(mutex_);
    const auto& pairs = trees_[static_cast<unsigned>(tree)];
    for (auto it = pairs.lower_bound(as_text(from)); it != pairs.end(); ++it) {
      if (!to.empty() && it->first >= as_text(to)) break;
      if (!visit(as_bytes(it->first), as_bytes(it->second))) break;
    }
    return {};
  }
  using Volume::commit;
  Result<Lsn> commit(Transaction& transaction, CommitOptions) override {
    Lock lock(mutex_);
    VEXFS_ASSERT(transaction.bytes() <= kTransactionBytesMax);
    TransactionReader reader(transaction);
    TransactionReader::Record record;
    while (reader.next(record)) {
      auto& pairs = trees_[static_cast<unsigned>(record.tree)];
      if (record.kind == TransactionReader::Kind::put)
        pairs[std::string(as_text(record.key))] = as_text(record.value);
      else if (record.kind == TransactionReader::Kind::erase)
        pairs.erase(std::string(as_text(record.key)));
      else
        change_owner(record.kind == TransactionReader::Kind::adopt, record.extent);
    }
    VEXFS_ASSERT(!reader.failed());
    transaction.clear();
    return Lsn{++lsn_};
  }
  Result<> sync(Lsn) override { return {}; }
  void sync(Lsn, Done done) override { done({}); }
  Lsn last_lsn() const override {
    Lock lock(mutex_);
    return Lsn{lsn_};
  }
  Result<> checkpoint() override { return {}; }
  Result<> flush_data(FlushSite) override { return {}; }

  Result<Extent> allocate(std::uint32_t blocks, BlockNo) override {
    Lock lock(mutex_);
    if (next_ + blocks > blocks_) return fail(ENOSPC, "model: full");
    const Extent extent{.first = BlockNo{next_}, .blocks = blocks};
    next_ += blocks;
    return extent;
  }
  void release(Extent) override {}
  Result<> reserve(std::uint64_t blocks) override {
    Lock lock(mutex_);
    if (next_ + reserved_ + blocks > blocks_) return fail(ENOSPC, "model: full");
    reserved_ += blocks;
    return {};
  }
  void unreserve(std::uint64_t blocks) override {
    Lock lock(mutex_);
    reserved_ -= blocks;
  }
  SpaceInfo space() const override {
    Lock lock(mutex_);
    return {.total = blocks_, .free = blocks_ - next_};
  }
  // Blocks that transactions have adopted and not freed.
  std::set<std::uint64_t> owned() const {
    Lock lock(mutex_);
    return owned_;
  }
  std::uint64_t reserved() const {
    Lock lock(mutex_);
    return reserved_;
  }
  void prefetch(Tree, std::span<const std::string>) override {}
  using Volume::read_blocks;
  Result<> read_blocks(std::span<const BlockRead> runs, Wait) override {
    Lock lock(mutex_);
    for (const BlockRead& run : runs)
      for (std::size_t at = 0; at < run.into.size(); at += kBlockBytes) {
        const auto found = data_.find(static_cast<std::uint64_t>(run.first) + at / kBlockBytes);
        if (found == data_.end())
          std::memset(run.into.data() + at, 0, kBlockBytes);
        else
          std::memcpy(run.into.data() + at, found->second.data(), kBlockBytes);
      }
    return {};
  }
  Result<> write_blocks(BlockNo first, Bytes from) override {
    Lock lock(mutex_);
    for (std::size_t at = 0; at < from.size(); at += kBlockBytes)
      data_[static_cast<std::uint64_t>(first) + at / kBlockBytes] =
          std::string(as_text(from.subspan(at, kBlockBytes)));
    return {};
  }
  VolumeInfo info() const override {
    return {.size_bytes = blocks_ * kBlockBytes, .mount_epoch = 1};
  }
  bool read_only() const override { return false; }

 private:
  // Whoever adopts what is owned, or frees what is not, has lost count.
  void change_owner(bool adopted, Extent extent) REQUIRES(mutex_) {
    const auto first = static_cast<std::uint64_t>(extent.first);
    for (std::uint64_t block = first; block < first + extent.blocks; ++block)
      VEXFS_ASSERT(adopted ? owned_.insert(block).second : owned_.erase(block) == 1);
  }
  const std::uint64_t blocks_;
  mutable Mutex mutex_{Rank::volume};
  std::map<std::string, std::string, std::less<>> trees_[kTreeCount] GUARDED_BY(mutex_);
  std::set<std::uint64_t> owned_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, std::string> data_ GUARDED_BY(mutex_);
  std::uint64_t next_ GUARDED_BY(mutex_) = 64;
  std::uint64_t reserved_ GUARDED_BY(mutex_) = 0;
  std::uint64_t lsn_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
