// SPDX-License-Identifier: Apache-2.0
// WalReader: the frames of the log from a checkpoint on, in order, each proved whole.
// Threads: one.
#pragma once
#include "base/buffer_pool.h"
#include "storage/block_device.h"
#include "storage/wal.h"
#include "storage/wal_format.h"

namespace vexfs {

class WalReader {
 public:
  struct Start {
    std::uint64_t position = 0;
    Lsn last_lsn{};               // of the checkpoint
    std::uint64_t epoch_max = 0;  // no mount has been younger
  };
  WalReader(BlockDevice& device, const WalRing& ring, const Start& start);

  struct Frame {
    Lsn first_lsn{};
    std::uint32_t transactions = 0;
    Bytes records;  // until the next call
  };
  // False at the first invalid frame. EIO.
  Result<bool> next(Frame& frame);
  // Behind the last valid frame.
  std::uint64_t position() const { return position_; }
  Lsn last_lsn() const { return Lsn{next_lsn_ - 1}; }
  // After next() said false, for the last time: does a frame anywhere in the ring know that more
  // was durable than has been read, or is it of a younger mount than the superblock knows? Then
  // the log or the superblock is damaged, not torn.
  Result<bool> is_damaged();

 private:
  Result<const std::byte*> bytes_at(std::uint64_t position, std::uint64_t bytes);
  Result<bool> load(FrameHeader& header, const std::byte*& frame);

  BlockDevice& device_;
  const WalRing ring_;
  const std::uint64_t start_;
  std::uint64_t epoch_max_;
  std::uint64_t position_, next_lsn_, epoch_ = 0;
  Buffer window_;  // read ahead
  std::uint64_t window_at_ = 0, window_bytes_ = 0;
};

}  // namespace vexfs
