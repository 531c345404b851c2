// SPDX-License-Identifier: Apache-2.0
// The log as bytes. Twin of doc/FORMAT.md, section "Log".
//
// A ring of log_bytes at kLogOffset. Positions count bytes from mkfs on and never wrap; position
// p stands at kLogOffset + p % log_bytes. Frames follow each other without gaps, begin at
// multiples of 4 KiB and never cross the end of the ring: a skip frame fills what is left.
// A frame is FrameHeader, then the records of its transactions (storage/transaction_format.h),
// then zeros to the next 4 KiB. It is replayed whole or not at all.
#pragma once
#include <cstddef>
#include <type_traits>

#include "base/endian.h"
#include "storage/types.h"

namespace vexfs {

inline constexpr std::uint32_t kFrameMagic = 0x4d415246;  // "FRAM"
inline constexpr std::uint32_t kFrameBytesMax = 1 << 20;  // with header and zeros

enum class FrameKind : std::uint16_t { transactions = 1, skip = 2 };

struct FrameHeader {  //  offset
  le32 magic;         //   0  kFrameMagic
  le16 kind;          //   4  FrameKind
  le16 reserved;      //   6  zero; checked on read
  le64 position;      //   8  its own: frames of an earlier lap
  le64 epoch;         //  16  of the mount that wrote it; falls only where an older mount's frames
                      //      go on after a crash, and they are not part of the log
  le64 first_lsn;     //  24  of its first transaction; each has one more than the one before
  le64 durable_lsn;   //  32  known to be durable when this was written: an invalid frame at or
                      //      below it is damage, not a torn tail
  le32 transactions;  //  40  how many; 0 in a skip frame
  le32 body_bytes;    //  44  of records
  le64 frame_bytes;   //  48  to the next frame
  le64 check;         //  56  XXH3-64 of header (this field zero) and body, seeded with id_low of
                      //      the volume: torn and lost writes, bit rot
};
static_assert(sizeof(FrameHeader) == 64 && alignof(FrameHeader) == 1);
static_assert(offsetof(FrameHeader, position) == 8 && offsetof(FrameHeader, durable_lsn) == 32);
static_assert(offsetof(FrameHeader, frame_bytes) == 48 && offsetof(FrameHeader, check) == 56);
static_assert(std::is_trivially_copyable_v<FrameHeader>);

}  // namespace vexfs
