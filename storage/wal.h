// SPDX-License-Identifier: Apache-2.0
// Wal: the log's writer. Transactions gather in a batch; one thread at a time writes a batch as
// one frame while the next one fills: whoever waits for it and finds nobody writing, else the
// committer.
//
//   batch    what may happen to it                                 where
//   open     transactions are appended                             open_
//   closed   has its position; waits for those before it           closed_
//   written  in the log, not flushed yet unless somebody waits     gone
//
// Always: frames reach the device in the order of LSNs. Nobody is told that something is durable
// before a flush has confirmed it. After a failed write or flush nothing is written any more.
// A batch closes when it has 1 MiB or 1000 transactions, is 50 ms old (or as old as the policy's
// interval), waited for, or cut off by a checkpoint.
// Threads: any; cut() only while no append() runs.
#pragma once
#include <deque>
#include <map>
#include <thread>
#include <vector>

#include "base/buffer_pool.h"
#include "base/mutex.h"
#include "storage/health.h"
#include "storage/volume.h"
#include "storage/wal_format.h"

namespace vexfs {

struct WalRing {
  std::uint64_t bytes = 0;
  std::uint64_t seed = 0;  // of the checksums
};

struct WalOptions {
  WalRing ring;
  std::uint64_t epoch = 0;
  std::uint64_t tail = 0;      // position of the checkpoint: what is before it may be overwritten
  std::uint64_t position = 0;  // of the next frame
  Lsn last_lsn{};              // all up to it is durable
  SyncPolicy policy = SyncPolicy::fsync;
  unsigned interval_ms = 1000;
};

class Wal {
 public:
  Wal(BlockDevice& device, Health& health, const WalOptions& options);
  // What no batch has carried to the device is lost, as in a crash; who waits gets ESHUTDOWN.
  ~Wal();

  // EAGAIN: the ring has no room before a checkpoint. EBUSY: the device is behind; see
  // wait_for_device(). EROFS.
  Result<Lsn> append(Bytes records);
  void wait_for_device();

  // Returns when `lsn` is durable; writes itself when nobody does, which saves two changes of
  // threads. Calls nobody's `done`.
  Result<> sync(Lsn lsn);
  // `done` runs on the committer, or at once on this thread.
  void sync(Lsn lsn, Volume::Done done);
  Lsn last_lsn() const;

  // Closes the open batch: everything so far is before `position`, everything later behind it.
  struct Cut {
    Lsn lsn{};
    std::uint64_t position = 0;
  };
  Cut cut();
  // A durable checkpoint covers the cut: its part of the ring is free, its transactions durable.
  void checkpointed(const Cut& cut);
  std::uint64_t bytes_since_cut() const { return since_cut_.load(std::memory_order_relaxed); }

 private:
  struct Batch {
    Buffer buffer;  // the frame; its header is written last
    std::size_t bytes = sizeof(FrameHeader);
    std::uint64_t first_lsn = 0;
    std::uint32_t transactions = 0;
    std::uint64_t opened_ns = 0;
    std::uint64_t position = 0;
    std::uint64_t skip_at = 0, skip_bytes = 0;  // a skip frame that goes before it
    std::uint64_t frame_bytes() const;
    std::uint64_t last_lsn() const { return first_lsn + transactions - 1; }
  };
  void run();
  bool has_work(std::uint64_t now) const REQUIRES(mutex_);
  bool flush_is_due(std::uint64_t last_written, std::uint64_t now) const REQUIRES(mutex_);
  // Writes one batch, or flushes what is written; lets the mutex go meanwhile. `wanted`: what the
  // caller waits for.
  Result<> write_next(std::uint64_t wanted) REQUIRES(mutex_);
  std::uint64_t batch_age_max_ns() const;
  std::uint64_t until_due(std::uint64_t now) const REQUIRES(mutex_);
  void wait_for_work() REQUIRES(mutex_);
  Result<> write(Batch& batch, std::uint64_t durable, bool flush);
  void close_open_batch() REQUIRES(mutex_);
  std::uint64_t position_for(std::uint64_t frame_bytes) const REQUIRES(mutex_);
  // Takes those who wait for what is durable now, or everybody.
  std::vector<Volume::Done> take_ready(bool everybody) REQUIRES(mutex_);
  bool acknowledges_at_once() const;

  BlockDevice& device_;
  Health& health_;
  const WalOptions options_;
  const std::uint64_t batch_bytes_max_;

  mutable Mutex mutex_{Rank::log};
  CondVar work_, progress_;
  Batch open_ GUARDED_BY(mutex_);
  std::deque<Batch> closed_ GUARDED_BY(mutex_);
  std::multimap<std::uint64_t, Volume::Done> waiters_ GUARDED_BY(mutex_);  // by LSN
  std::uint64_t tail_ GUARDED_BY(mutex_);
  std::uint64_t position_ GUARDED_BY(mutex_);  // behind the last closed batch
  std::uint64_t cut_position_ GUARDED_BY(mutex_);
  std::uint64_t last_lsn_ GUARDED_BY(mutex_);
  std::uint64_t written_lsn_ GUARDED_BY(mutex_);
  std::uint64_t durable_lsn_ GUARDED_BY(mutex_);
  std::uint64_t flushed_ns_ GUARDED_BY(mutex_);  // when the last flush ended
  std::atomic<std::uint64_t> since_cut_;         // bytes of log; written with mutex_ held
  bool writing_ GUARDED_BY(mutex_) = false;      // somebody is in write_next()
  bool idle_ GUARDED_BY(mutex_) = false;         // the committer sleeps until it is called
  bool ending_ GUARDED_BY(mutex_) = false;
  std::thread committer_;
};

}  // namespace vexfs
