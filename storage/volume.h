// SPDX-License-Identifier: Apache-2.0
// Volume: one crash-consistent store. All truth changes by transactions in one log, is applied
// to copy-on-write trees in a cache, and becomes permanent by checkpoints.
//
// Always: a crash at any point leaves the last checkpoint plus the log, and nothing else.
// A transaction is seen whole or not at all, in the order of LSNs.
// Threads: any. Two transactions that touch one key: the caller's own locks order them, held
// from before commit() until it returns.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/wait.h"
#include "storage/block_device.h"
#include "storage/transaction.h"
#include "storage/types.h"

namespace vexfs {

struct FormatOptions {
  std::uint64_t size_bytes = 0;  // 0: the device's size; at least 64 MiB
  std::uint64_t log_bytes = 0;   // 0: by the volume's size; whole MiB, at least 2
};

enum class SyncPolicy : std::uint8_t {
  strict,
  fsync,
  interval,
  none
};  // DESIGN: mount option sync=

struct VolumeOptions {
  std::size_t cache_bytes = std::size_t{128} << 20;  // tree pages in memory
  SyncPolicy sync = SyncPolicy::fsync;
  unsigned interval_ms = 1000;       // for SyncPolicy::interval
  unsigned checkpoint_seconds = 30;  // at the latest, when there is something to write
  bool read_only = false;            // replays into memory, writes nothing
  unsigned warm_pages = 0;           // hot tree pages that are read back at the next open
  bool discard = true;               // gives freed space back to the host
};

struct SpaceInfo {          // in blocks
  std::uint64_t total = 0;  // what data and trees may use
  std::uint64_t free = 0;   // neither used nor waiting for a checkpoint, slop excluded
  // Freed, and free again after the next checkpoint; whoever finds no space forces that one.
  std::uint64_t pending = 0;
};

struct VolumeInfo {
  std::uint64_t id_high = 0, id_low = 0;  // 128 random bits
  std::uint32_t format_version = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t mount_epoch = 0;  // rises by one at each writable mount
  std::uint64_t log_bytes = 0;
  bool was_clean = true;  // before this open
  Lsn checkpoint{};
};

class Volume {
 public:
  // Makes a volume. Whether the device holds something worth keeping is the caller's question:
  // looks_like_volume() and the caller's own checks come first.
  static Result<> format(BlockDevice& device, const FormatOptions& options);
  static Result<bool> looks_like_volume(BlockDevice& device);
  // Reads the superblock and replays the log. EMEDIUMTYPE: no volume. ENOTSUP: newer format.
  // EUCLEAN: damaged, with a log line that says where. EFBIG: the device is shorter than the
  // volume (a truncated image).
  static Result<std::unique_ptr<Volume>> open(std::unique_ptr<BlockDevice> device,
                                              const VolumeOptions& options);
  // Without close() this is a crash: what was synced is there at the next open.
  virtual ~Volume() = default;
  // Checkpoint, clean flag. The volume answers ESHUTDOWN afterwards.
  virtual Result<> close() = 0;

  // --- reading; sees every committed transaction
  // ENOENT when absent. Wait::never: EAGAIN when a page is not in memory.
  virtual Result<> get(Tree tree, Bytes key, std::string& value, Wait wait = Wait::allowed) = 0;
  // Calls visit(key, value) in key order for from <= key < to (an empty `to`: to the end),
  // until it says false. `visit` must not call the volume; its arguments end with its return.
  // The scan is atomic per page, not as a whole.
  using Visit = FunctionRef<bool(Bytes key, Bytes value)>;
  virtual Result<> scan(Tree tree, Bytes from, Bytes to, Visit visit,
                        Wait wait = Wait::allowed) = 0;

  // Brings what get() of these keys will need into memory, level by level, one submission a
  // level. Best effort: an error shows when the key is read. At most kPrefetchKeysMax keys.
  static constexpr std::size_t kPrefetchKeysMax = 256;
  virtual void prefetch(Tree tree, std::span<const std::string> keys) = 0;

  // --- changing
  // Visible when it returns, durable after sync(lsn). ENOSPC (and nothing has changed), EROFS
  // after a failed flush. May sleep for log space or a page; never with Wait::never (EAGAIN).
  // The transaction is empty afterwards.
  // `freeing`: it gives back more than it takes, so it may use the slop of a full volume.
  struct CommitOptions {
    Wait wait = Wait::allowed;
    bool freeing = false;
  };
  virtual Result<Lsn> commit(Transaction& transaction, CommitOptions options) = 0;
  Result<Lsn> commit(Transaction& transaction) { return commit(transaction, CommitOptions{}); }

  // --- durability
  // Returns when everything up to `lsn` is durable (policy fsync, strict), or at once (others).
  virtual Result<> sync(Lsn lsn) = 0;
  // The same without waiting: `done` runs on the committer thread, or at once on this one.
  using Done = std::move_only_function<void(Result<>)>;
  virtual void sync(Lsn lsn, Done done) = 0;
  virtual Lsn last_lsn() const = 0;
  virtual Result<> checkpoint() = 0;
  // Makes the volume this many bytes long, rounded down to a page, with its image; all of it is
  // there when this returns, and durable. EINVAL: that is less than now.
  virtual Result<> grow(std::uint64_t bytes) {
    static_cast<void>(bytes);
    return fail(EOPNOTSUPP, "volume: cannot grow");
  }
  // Flushes the device: what write_blocks() wrote is durable. Concurrent callers share one.
  virtual Result<> flush_data(FlushSite site) = 0;

  // --- space for data
  // 1 ..= blocks, contiguous, near `hint` where possible, with its birth. ENOSPC. Belongs to the
  // caller, in memory only, until a committed transaction adopts it; give back what is not with
  // release().
  virtual Result<Extent> allocate(std::uint32_t blocks, BlockNo hint = {}) = 0;
  virtual void release(Extent extent) = 0;
  // Promise of space for data that is still in memory; ENOSPC at write time, not at writeback.
  virtual Result<> reserve(std::uint64_t blocks) = 0;
  virtual void unreserve(std::uint64_t blocks) = 0;
  virtual SpaceInfo space() const = 0;

  // --- raw data blocks; buffers aligned to kBlockBytes. Checksums are the caller's.
  // Several runs at once are one submission. All of them, or an error.
  struct BlockRead {
    BlockNo first{};
    MutableBytes into;
  };
  virtual Result<> read_blocks(std::span<const BlockRead> runs, Wait wait = Wait::allowed) = 0;
  Result<> read_blocks(BlockNo first, MutableBytes into, Wait wait = Wait::allowed) {
    const BlockRead one{.first = first, .into = into};
    return read_blocks(std::span(&one, 1), wait);
  }
  virtual Result<> write_blocks(BlockNo first, Bytes from) = 0;

  virtual VolumeInfo info() const = 0;
  virtual bool read_only() const = 0;

  // --- memory: tree pages that it holds, how many it may hold, and a checkpoint soon, after which
  // changed pages can be let go. None of them waits.
  virtual std::size_t cache_bytes() { return 0; }
  virtual void set_cache_bytes_max(std::size_t /*bytes*/) {}
  virtual void request_checkpoint() {}

  // Generation of the newest snapshot, 0: none. Blocks with a birth up to it may be its, too:
  // they are not written in place.
  virtual std::uint64_t newest_snapshot() const { return 0; }

  // Orders changes of Tree::refcount; see storage/shared_blocks.h.
  Mutex& sharing() { return sharing_; }

 private:
  Mutex sharing_{Rank::node_table};  // after the locks of files, before all of the store's
};

// Fills a superblock's worth of facts without replay or lock (`vexfs info`).
Result<VolumeInfo> read_volume_info(BlockDevice& device);

}  // namespace vexfs
