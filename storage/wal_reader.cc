// SPDX-License-Identifier: Apache-2.0
#include "storage/wal_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "storage/superblock_format.h"

namespace vexfs {

namespace {
constexpr std::uint64_t kWindowBytesMax = std::uint64_t{8} << 20;
constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 20;
}  // namespace

WalReader::WalReader(BlockDevice& device, const WalRing& ring, const Start& start)
    : device_(device),
      ring_(ring),
      start_(start.position),
      epoch_max_(start.epoch_max),
      position_(start.position),
      next_lsn_(static_cast<std::uint64_t>(start.last_lsn) + 1),
      window_(Buffer::take(
          std::clamp<std::uint64_t>(ring.bytes / 16, kFrameBytesMax, kWindowBytesMax))) {}

// `bytes` at `position`, which do not cross the end of the ring.
Result<const std::byte*> WalReader::bytes_at(std::uint64_t position, std::uint64_t bytes) {
  if (position < window_at_ || position + bytes > window_at_ + window_bytes_) {
    const std::uint64_t in_ring = position % ring_.bytes;
    window_at_ = position;
    window_bytes_ = 0;  // nothing, should the read fail
    const std::uint64_t wanted = std::min<std::uint64_t>(window_.size(), ring_.bytes - in_ring);
    std::array<DeviceRead, kWindowBytesMax / kReadBytes> reads;  // side by side
    std::size_t count = 0;
    for (std::uint64_t at = 0; at < wanted; at += kReadBytes)
      reads[count++] = {
          .offset = kLogOffset + in_ring + at,
          .into = window_.bytes().subspan(at, std::min<std::uint64_t>(kReadBytes, wanted - at))};
    VEXFS_CHECK(device_.read(std::span(reads).first(count)));
    window_bytes_ = wanted;
  }
  return window_.data() + (position - window_at_);
}

// The frame at position_, if it is whole and the next one of this log.
Result<bool> WalReader::load(FrameHeader& header, const std::byte*& frame) {
  const std::uint64_t left = ring_.bytes - position_ % ring_.bytes;
  VEXFS_TRY(frame, bytes_at(position_, kBlockBytes));
  std::memcpy(&header, frame, sizeof header);
  const bool is_skip = header.kind == static_cast<std::uint16_t>(FrameKind::skip);
  const bool is_frame = header.kind == static_cast<std::uint16_t>(FrameKind::transactions);
  if (header.magic != kFrameMagic || header.reserved != 0 || !(is_skip || is_frame) ||
      header.position != position_ || header.first_lsn != next_lsn_ || header.epoch < epoch_ ||
      header.epoch > epoch_max_)
    return false;
  if (is_skip ? header.body_bytes != 0 || header.transactions != 0 || header.frame_bytes != left
              : header.transactions == 0 ||
                    header.frame_bytes > std::min<std::uint64_t>(left, kFrameBytesMax) ||
                    header.frame_bytes % kBlockBytes != 0 ||
                    header.body_bytes > header.frame_bytes - sizeof header)
    return false;
  if (is_frame) {
    VEXFS_TRY(frame, bytes_at(position_, header.frame_bytes));
  }
  const std::uint64_t check = header.check;
  FrameHeader blank = header;
  blank.check = std::uint64_t{0};
  // The window is ours: the header with an empty check is what the writer hashed.
  std::byte* const own = window_.data() + (frame - window_.data());
  std::memcpy(own, &blank, sizeof blank);
  const bool whole = hash64(Bytes(own, sizeof header + header.body_bytes), ring_.seed) == check;
  std::memcpy(own, &header, sizeof header);
  return whole;
}

Result<bool> WalReader::next(Frame& frame) {
  for (;;) {
    // A log is at most one lap long.
    if (position_ - start_ >= ring_.bytes) return false;
    FrameHeader header;
    const std::byte* bytes = nullptr;
    VEXFS_TRY(const bool valid, load(header, bytes));
    if (!valid) return false;
    epoch_ = header.epoch;
    position_ += header.frame_bytes;
    if (header.transactions == 0) continue;
    frame = {.first_lsn = Lsn{next_lsn_},
             .transactions = header.transactions,
             .records = Bytes(bytes + sizeof header, header.body_bytes)};
    next_lsn_ += header.transactions;
    return true;
  }
}

Result<bool> WalReader::is_damaged() {
  const std::uint64_t valid_end = position_, expected = next_lsn_;
  const std::uint64_t epoch_max = std::exchange(epoch_max_, ~std::uint64_t{0});
  bool damaged = false;
  // The frames that were read know of nothing behind themselves: only the rest of the ring.
  const std::uint64_t ring_end = start_ + ring_.bytes;
  for (std::uint64_t at = valid_end; at < ring_end && !damaged; at += kBlockBytes) {
    VEXFS_TRY(const std::byte* const bytes, bytes_at(at, kBlockBytes));
    FrameHeader header;
    std::memcpy(&header, bytes, sizeof header);
    if (header.magic != kFrameMagic || header.position % ring_.bytes != at % ring_.bytes ||
        (header.durable_lsn < expected && header.epoch <= epoch_max))
      continue;
    // A promising header: is it a whole frame?
    position_ = header.position;
    next_lsn_ = header.first_lsn;
    epoch_ = 0;
    const std::byte* frame = nullptr;
    window_bytes_ = 0;
    VEXFS_TRY(damaged, load(header, frame));
    window_bytes_ = 0;
    if (damaged)
      log(Level::error, "wal", "an invalid frame stands before a durable one",
          {{"invalid_position", valid_end},
           {"invalid_lsn", expected},
           {"durable_lsn", std::uint64_t{header.durable_lsn}},
           {"epoch", std::uint64_t{header.epoch}}});
  }
  position_ = valid_end;
  next_lsn_ = expected;
  return damaged;
}

}  // namespace vexfs
