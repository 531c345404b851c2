// SPDX-License-Identifier: Apache-2.0
// What libfuse 3.14 does not hand on of the kernel's messages, taken from the bytes themselves as
// they are read and written (fuse_session_custom_io).
//
//   INIT             the reply also accepts HANDLE_KILLPRIV_V2 when the kernel offered it: it then
//                    asks for security.capability no more before each write
//   WRITE, SETATTR,
//   CREATE, OPEN     the word "clear the set-id bits"
//   TMPFILE          has the layout of CREATE and becomes one; wire_request() tells them apart
//   STATX            begins with the layout of GETATTR and becomes one; its answer is StatxReply
//
// Threads: a request is handled on the thread that read it, so what was read is kept by thread.
#pragma once
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace vexfs {

struct WireRequest {
  bool kills_set_id = false;
  bool tmpfile = false;
  bool statx = false;
};
// Of the request that this thread received last.
const WireRequest& wire_request();

// The hooks of fuse_custom_io. libfuse ends its threads by cancelling them while they read, which
// unwinds them: reading must not be noexcept.
ssize_t read_request(int device, void* buffer, std::size_t size, void*);
ssize_t write_reply(int device, iovec* parts, int count, void*) noexcept;

// struct fuse_statx_out of the kernel (fuse_kernel.h 7.39), which Debian 12's headers lack.
struct StatxTime {
  std::int64_t seconds;
  std::uint32_t nanoseconds;
  std::int32_t reserved;
};
struct StatxReply {                          // offset
  std::uint64_t valid_seconds;               //   0
  std::uint32_t valid_nanoseconds, flags;    //   8
  std::array<std::uint64_t, 2> spare0;       //  16
  std::uint32_t mask, block_size;            //  32  STATX_*
  std::uint64_t attributes;                  //  40
  std::uint32_t links, uid, gid;             //  48
  std::uint16_t mode, spare1;                //  60
  std::uint64_t ino, size, blocks;           //  64
  std::uint64_t attributes_mask;             //  88
  StatxTime atime, btime, ctime, mtime;      //  96
  std::uint32_t rdev_major, rdev_minor;      // 160
  std::uint32_t device_major, device_minor;  // 168
  std::array<std::uint64_t, 14> spare2;      // 176
};
static_assert(sizeof(StatxReply) == 288 && offsetof(StatxReply, atime) == 96);
static_assert(offsetof(StatxReply, rdev_major) == 160);

StatxReply to_statx(const struct stat& attr, const timespec& birth, double valid_seconds);

}  // namespace vexfs
