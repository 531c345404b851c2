// SPDX-License-Identifier: Apache-2.0
// What the daemon and `vexfs-extract` say to each other, a packet each way on one socket.
//
//   daemon                                       vexfs-extract (no privileges)
//   ExtractRequest + two descriptors ──────────> forks; the child reads the first, writes the
//   ExtractReply                     <────────── second, and how it ended is the reply
//
// The second descriptor then holds an ExtractedHeader, `pages` offsets (le32) at which pages of
// the text begin, and the text. It was written by whoever had a hostile file in hands: nothing in
// it is believed before it has been checked.
#pragma once
#include <cstdint>

#include "base/endian.h"

namespace vexfs {

enum class ForeignKind : std::uint32_t {
  pdf = 1,
  charset = 2,  // text in an encoding that is to be found out
};

enum class ForeignStatus : std::uint32_t {
  ok = 0,
  damaged = 1,
  encrypted = 2,
  latin = 3,    // charset: Latin-1, or nothing better is known
  slow = 4,     // it took more than its time
  crashed = 5,  // or asked for more than its memory
};

inline constexpr std::uint32_t kExtractMagic = 0x54584556;  // "VEXT"
inline constexpr std::uint32_t kExtractSeconds = 20;        // of CPU
inline constexpr std::uint64_t kExtractMemory = std::uint64_t{768} << 20;
inline constexpr std::uint64_t kExtractFileMax = std::uint64_t{64} << 20;  // what it is given
inline constexpr std::uint64_t kExtractTextMax = std::uint64_t{8} << 20;   // what it gives back
inline constexpr std::uint32_t kExtractPagesMax = 20000;

struct ExtractRequest {
  le32 magic;
  le32 kind;
};
struct ExtractReply {
  le32 magic;
  le32 status;
};
struct ExtractedHeader {
  le32 magic;
  le32 pages;
  le64 text_bytes;
};
static_assert(sizeof(ExtractRequest) == 8 && sizeof(ExtractReply) == 8);
static_assert(sizeof(ExtractedHeader) == 16);

}  // namespace vexfs
