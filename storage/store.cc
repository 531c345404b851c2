// SPDX-License-Identifier: Apache-2.0
// Reading, durability, space and raw blocks; the rest is in store_*.cc.
#include "storage/store.h"

#include <algorithm>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

Histogram& sync_seconds() {
  static Histogram& took =
      metrics::histogram("vexfs_sync_seconds", "From asking until everything so far is durable");
  return took;
}

// Newer than every birth that a mount before has given: an extent in the log may have been
// allocated after a freeze whose checkpoint never came about.
std::uint64_t first_generation(const Superblock& superblock) {
  return std::max(superblock.generation + 1, (superblock.mount_epoch + 1) << 32);
}

}  // namespace

Store::Store(std::unique_ptr<BlockDevice> device, const Superblock& superblock,
             const VolumeOptions& options)
    : device_(std::move(device)),
      options_(options),
      was_clean_(superblock.clean),
      log_bytes_(superblock.log_bytes),
      cache_(*device_, options.cache_bytes),
      space_(superblock.data_first, superblock.data_end, first_generation(superblock)),
      flushes_(*device_),
      generation_(first_generation(superblock)),
      superblock_(superblock) {
  for (unsigned i = 0; i < kTreeCount; ++i) {
    trees_[i] = std::make_unique<BTree>(Tree{static_cast<std::uint8_t>(i)}, cache_, space_);
    trees_[i]->open(superblock.roots[i], generation_);
  }
}

// The threads end before what they use; nothing is written.
Store::~Store() {
  warm_up_.reset();
  checkpointer_.reset();
  wal_.reset();
}

Result<> Store::close() {
  if (closed_.exchange(true)) return fail(ESHUTDOWN, "volume: closed");
  {
    // Commits that have passed the gate finish.
    const SharedLatchWrite gate(gate_);
  }
  warm_up_.reset();
  checkpointer_->stop();
  if (opened_read_only_) return {};
  VEXFS_CHECK(run_checkpoint(true));
  if (options_.warm_pages == 0) return {};
  // Only a hint: the volume is closed well without it.
  if (const auto saved = save_warm_pages(*device_, cache_, superblock(), options_.warm_pages);
      !saved)
    log(Level::warn, "cache", "hot pages not saved", {{"why", saved.error().what}});
  return {};
}

Result<> Store::get(Tree tree, Bytes key, std::string& value, Wait wait) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  return this->tree(tree).get(key, value, wait);
}

Result<> Store::scan(Tree tree, Bytes from, Bytes to, Visit visit, Wait wait) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  return this->tree(tree).scan(from, to, visit, wait);
}

void Store::prefetch(Tree tree, std::span<const std::string> keys) {
  VEXFS_ASSERT(keys.size() <= kPrefetchKeysMax);
  if (!closed_) this->tree(tree).prefetch(keys);
}

Result<> Store::sync(Lsn lsn) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  if (opened_read_only_) return {};
  Timed timed(sync_seconds());
  return wal_->sync(lsn);
}

void Store::sync(Lsn lsn, Done done) {
  if (closed_) return done(fail(ESHUTDOWN, "volume: closed"));
  if (opened_read_only_) return done({});
  wal_->sync(lsn, [done = std::move(done), start = monotonic_ns()](Result<> result) mutable {
    sync_seconds().record(monotonic_ns() - start);
    done(result);
  });
}

Lsn Store::last_lsn() const {
  return wal_->last_lsn();
}

Result<> Store::flush_data(FlushSite site) {
  if (closed_) return fail(ESHUTDOWN, "volume: closed");
  VEXFS_CHECK(health_.writable());
  const Result<> outcome = flushes_.flush(site);
  if (!outcome) health_.end_writing(outcome.error());
  return outcome;
}

template <class Ask>
auto Store::with_checkpoint(Ask ask) -> decltype(ask()) {
  auto answer = ask();
  if (answer || answer.error().code != ENOSPC || !space_.has_pending()) return answer;
  VEXFS_CHECK(checkpoint());
  return ask();
}

Result<Extent> Store::allocate(std::uint32_t blocks, BlockNo hint) {
  VEXFS_ASSERT(blocks > 0);
  VEXFS_CHECK(health_.writable());
  return with_checkpoint([&] { return space_.allocate(blocks, hint); });
}

void Store::release(Extent extent) {
  space_.release(extent);
}

Result<> Store::reserve(std::uint64_t blocks) {
  VEXFS_CHECK(health_.writable());
  return with_checkpoint([&] { return space_.reserve(blocks); });
}

void Store::unreserve(std::uint64_t blocks) {
  space_.unreserve(blocks);
}

SpaceInfo Store::space() const {
  return space_.info();
}

Result<> Store::read_blocks(std::span<const BlockRead> runs, Wait wait) {
  if (runs.empty()) return {};
  if (wait == Wait::never) return fail(EAGAIN, "volume: waits for the disk");
  std::vector<DeviceRead> reads;
  reads.reserve(runs.size());
  for (const BlockRead& run : runs) {
    const auto blocks = static_cast<std::uint32_t>(run.into.size() / kBlockBytes);
    // A number that no honest extent record holds.
    if (!space_.holds({.first = run.first, .blocks = blocks}))
      return fail(EUCLEAN, "volume: blocks outside of the data area");
    reads.push_back(
        {.offset = static_cast<std::uint64_t>(run.first) * kBlockBytes, .into = run.into});
  }
  return device_->read(reads);
}

Result<> Store::write_blocks(BlockNo first, Bytes from) {
  VEXFS_CHECK(health_.writable());
  const auto blocks = static_cast<std::uint32_t>(from.size() / kBlockBytes);
  if (!space_.holds({.first = first, .blocks = blocks}))
    return fail(EUCLEAN, "volume: blocks outside of the data area");
  return device_->write(static_cast<std::uint64_t>(first) * kBlockBytes, from);
}

Superblock Store::superblock() const {
  Lock lock(superblock_mutex_);
  return superblock_;
}

VolumeInfo Store::info() const {
  VolumeInfo info = volume_info(superblock());
  info.was_clean = was_clean_;
  return info;
}

void Store::request_checkpoint() {
  if (!closed_ && !opened_read_only_ && health_.writable()) checkpointer_->request();
}

bool Store::read_only() const {
  return health_.read_only();
}

}  // namespace vexfs
