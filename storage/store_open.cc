// SPDX-License-Identifier: Apache-2.0
// How a volume is made and how it comes back.
//
// After a crash there are the newest checkpoint and the log behind it. Blocks that the log
// adopts are marked first: replay allocates tree pages, and must not take one of those.
#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/check.h"
#include "storage/check_blocks.h"
#include "storage/store.h"
#include "storage/wal_reader.h"

namespace vexfs {

using Kind = TransactionReader::Kind;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::uint64_t log_bytes_for(std::uint64_t size) {
  return std::clamp<std::uint64_t>(size / 64, 16 * kMiB, 512 * kMiB) / kMiB * kMiB;
}

// Recycled blocks: an unwritten ring would make every sync two to three times dearer.
Result<> zero_log(BlockDevice& device, std::uint64_t bytes) {
  constexpr std::size_t kBatch = 8;
  const Buffer zeros = Buffer::take(kMiB);
  std::memset(zeros.data(), 0, zeros.size());
  for (std::uint64_t at = 0; at < bytes;) {
    std::array<DeviceWrite, kBatch> writes;
    std::size_t count = 0;
    for (; count < kBatch && at < bytes; ++count) {
      const std::uint64_t n = std::min<std::uint64_t>(zeros.size(), bytes - at);
      writes[count] = {.offset = kLogOffset + at, .from = zeros.bytes().first(n)};
      at += n;
    }
    VEXFS_CHECK(device.write(std::span(writes).first(count)));
  }
  return {};
}

}  // namespace

VolumeInfo volume_info(const Superblock& superblock) {
  return {.id_high = superblock.id_high,
          .id_low = superblock.id_low,
          .format_version = superblock.version,
          .size_bytes = superblock.size_bytes,
          .mount_epoch = superblock.mount_epoch,
          .log_bytes = superblock.log_bytes,
          .was_clean = superblock.clean,
          .checkpoint = superblock.checkpoint_lsn};
}

Result<> Volume::format(BlockDevice& device, const FormatOptions& options) {
  const std::uint64_t size = options.size_bytes != 0 ? options.size_bytes : device.size_bytes();
  if (size > device.size_bytes()) return fail(EFBIG, "format: larger than the device");
  if (size < kVolumeBytesMin) return fail(EINVAL, "format: a volume has at least 64 MiB");
  const std::uint64_t log = options.log_bytes != 0 ? options.log_bytes : log_bytes_for(size);
  if (log < kLogBytesMin || log > size / 2 || log % kMiB != 0)
    return fail(EINVAL, "format: log size");
  Superblock superblock{.size_bytes = size,
                        .log_bytes = log,
                        .data_first = (kLogOffset + log) / kBlockBytes,
                        .data_end = size / kPageBytes * kPageBlocks,
                        .clean = true,
                        .roots = {}};
  std::array<std::uint64_t, 2> id;
  if (::getrandom(id.data(), sizeof id, 0) != sizeof id)
    return fail(EIO, "format: no random numbers");
  superblock.id_high = id[0];
  superblock.id_low = id[1];
  VEXFS_CHECK(zero_log(device, log));
  return write_all_superblocks(device, superblock);
}

Result<bool> Volume::looks_like_volume(BlockDevice& device) {
  const auto superblock = read_superblock(device);
  if (!superblock && superblock.error().code == EIO) return std::unexpected(superblock.error());
  return superblock.has_value() || superblock.error().code != EMEDIUMTYPE;
}

Result<VolumeInfo> read_volume_info(BlockDevice& device) {
  VEXFS_TRY(const Superblock superblock, read_superblock(device));
  return volume_info(superblock);
}

Result<std::unique_ptr<Volume>> Volume::open(std::unique_ptr<BlockDevice> device,
                                             const VolumeOptions& options) {
  VEXFS_TRY(const Superblock superblock, read_superblock(*device));
  auto store = std::make_unique<Store>(std::move(device), superblock, options);
  VEXFS_CHECK(store->recover());
  return store;
}

Result<std::unique_ptr<Volume>> open_repairing(std::unique_ptr<BlockDevice> device,
                                               const VolumeOptions& options,
                                               const CheckOutcome& found,
                                               const std::set<Tree>& emptied) {
  VEXFS_TRY(const Superblock superblock, read_superblock(*device));
  auto store = std::make_unique<Store>(std::move(device), superblock, options);
  VEXFS_CHECK(store->load_repaired(found.used->groups(), emptied));
  VEXFS_CHECK(store->recover());
  return store;
}

WalReader Store::reader() const {
  const Superblock facts = superblock();
  return WalReader(*device_, {.bytes = facts.log_bytes, .seed = facts.id_low},
                   {.position = facts.log_position,
                    .last_lsn = facts.checkpoint_lsn,
                    .epoch_max = facts.mount_epoch});
}

Result<> Store::recover() {
  const std::uint64_t start = monotonic_ns();
  Superblock facts = superblock();
  VEXFS_CHECK(load_space());
  VEXFS_CHECK(load_snapshots());
  WalReader adopted = reader();
  VEXFS_CHECK(mark_adopted(adopted));
  WalReader frames = reader();
  replayed_ = {.lsn = facts.checkpoint_lsn, .position = facts.log_position};
  VEXFS_CHECK(replay(frames));
  VEXFS_TRY(const bool damaged, frames.is_damaged());
  if (damaged || options_.read_only) {
    opened_read_only_ = true;
    health_.open_read_only();
  } else {
    facts = superblock();  // replay may have taken a checkpoint
    ++facts.mount_epoch;
    facts.clean = false;
    // Its flush also covers the log that was just read: it may have come from a disk's cache.
    VEXFS_CHECK(write_superblock(*device_, facts, FlushSite::mount));
    Lock lock(superblock_mutex_);
    superblock_ = facts;
  }
  wal_ = std::make_unique<Wal>(*device_, health_,
                               WalOptions{.ring = {.bytes = facts.log_bytes, .seed = facts.id_low},
                                          .epoch = facts.mount_epoch,
                                          .tail = facts.log_position,
                                          .position = frames.position(),
                                          .last_lsn = frames.last_lsn(),
                                          .policy = options_.sync,
                                          .interval_ms = options_.interval_ms});
  checkpointer_ = std::make_unique<Checkpointer>(options_.checkpoint_seconds, [this]() -> Result<> {
    if (health_.read_only()) return fail(EROFS, "checkpoint: read-only");
    return run_checkpoint(false);
  });
  if (options_.warm_pages > 0)
    warm_up_ = std::make_unique<WarmUp>(*device_, cache_, superblock());
  log(Level::info, "volume", "opened",
      {{"clean", std::uint64_t{was_clean_}},
       {"replayed", static_cast<std::uint64_t>(frames.last_lsn()) -
                        static_cast<std::uint64_t>(facts.checkpoint_lsn)},
       {"ms", (monotonic_ns() - start) / 1'000'000}});
  return {};
}

Result<> Store::load_repaired(const BlockGroups& used, const std::set<Tree>& emptied) {
  map_given_ = true;
  std::uint64_t generation = 0;
  {
    const SharedLatchWrite gate(gate_);
    generation = generation_;
  }
  tree(Tree::free_space).open({}, generation);
  for (const Tree each : emptied) tree(each).open({}, generation);
  return space_.load_all(used);
}

Result<> Store::load_space() {
  if (map_given_) return {};
  BTree& map = tree(Tree::free_space);
  VEXFS_CHECK(map.visit_pages(
      [this](std::uint64_t address) { return space_.load_unrecorded_page(address); }));
  Result<> loaded;
  VEXFS_CHECK(map.scan(
      {}, {},
      [&](Bytes key, Bytes value) {
        KeyReader reader(key);
        const std::uint64_t number = reader.u64();
        loaded = reader.failed() ? fail(EUCLEAN, "space: key") : space_.load_group(number, value);
        return loaded.has_value();
      },
      Wait::allowed));
  if (!loaded) log(Level::error, "space", loaded.error().what);
  return loaded;
}

Result<> Store::mark_adopted(WalReader& reader) {
  if (map_given_) return {};
  for (WalReader::Frame frame;;) {
    VEXFS_TRY(const bool more, reader.next(frame));
    if (!more) return {};
    TransactionReader records(frame.records);
    for (TransactionReader::Record record; records.next(record);)
      if (record.kind == Kind::adopt) VEXFS_CHECK(space_.mark_allocated(record.extent));
  }
}

}  // namespace vexfs
