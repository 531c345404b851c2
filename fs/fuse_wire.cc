// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_wire.h"

#include <linux/fuse.h>
#include <linux/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vexfs {

namespace {

constexpr std::uint32_t kStatx = 52;  // FUSE_STATX, since Linux 6.6

struct LastRequest {
  WireRequest words;
  std::uint64_t init = 0;  // the number of an INIT whose kernel offers KILLPRIV_V2
};
thread_local LastRequest last;

// The arguments behind a request's header, where they are long enough.
template <class Arguments>
const Arguments* arguments_of(const char* message, std::size_t bytes) {
  if (bytes < sizeof(fuse_in_header) + sizeof(Arguments)) return nullptr;
  return reinterpret_cast<const Arguments*>(message + sizeof(fuse_in_header));
}

template <class Arguments>
bool has_flag(const char* message, std::size_t bytes, std::uint32_t Arguments::* word,
              std::uint32_t flag) {
  const auto* arguments = arguments_of<Arguments>(message, bytes);
  return arguments != nullptr && (arguments->*word & flag) != 0;
}

void take_note(char* message, std::size_t bytes) {
  last = {};
  auto* header = reinterpret_cast<fuse_in_header*>(message);
  switch (header->opcode) {
    case FUSE_INIT:
      if (has_flag(message, bytes, &fuse_init_in::flags, FUSE_HANDLE_KILLPRIV_V2))
        last.init = header->unique;
      break;
    case FUSE_WRITE:
      last.words.kills_set_id =
          has_flag(message, bytes, &fuse_write_in::write_flags, FUSE_WRITE_KILL_SUIDGID);
      break;
    case FUSE_SETATTR:
      last.words.kills_set_id =
          has_flag(message, bytes, &fuse_setattr_in::valid, FATTR_KILL_SUIDGID);
      break;
    case FUSE_OPEN:
      last.words.kills_set_id =
          has_flag(message, bytes, &fuse_open_in::open_flags, FUSE_OPEN_KILL_SUIDGID);
      break;
    case FUSE_FALLOCATE:
    case FUSE_COPY_FILE_RANGE:
      last.words.kills_set_id = header->uid != 0;  // the kernel says nothing here
      break;
    case FUSE_TMPFILE:
      last.words.tmpfile = true;
      header->opcode = FUSE_CREATE;
      break;
    case kStatx:
      last.words.statx = true;
      header->opcode = FUSE_GETATTR;
      break;
    default:
      break;
  }
}

StatxTime to_statx(const timespec& time) {
  return {.seconds = time.tv_sec,
          .nanoseconds = static_cast<std::uint32_t>(time.tv_nsec),
          .reserved = 0};
}

}  // namespace

const WireRequest& wire_request() {
  return last.words;
}

ssize_t read_request(int device, void* buffer, std::size_t size, void*) {
  const ssize_t got = ::read(device, buffer, size);
  if (got >= static_cast<ssize_t>(sizeof(fuse_in_header)))
    take_note(static_cast<char*>(buffer), static_cast<std::size_t>(got));
  return got;
}

ssize_t write_reply(int device, iovec* parts, int count, void*) noexcept {
  if (last.init != 0 && count >= 2 && parts[1].iov_len >= offsetof(fuse_init_out, flags) + 4) {
    const auto* header = static_cast<const fuse_out_header*>(parts[0].iov_base);
    auto* answer = static_cast<fuse_init_out*>(parts[1].iov_base);
    if (header->unique == last.init && header->error == 0) answer->flags |= FUSE_HANDLE_KILLPRIV_V2;
    last.init = 0;
  }
  return ::writev(device, parts, count);
}

StatxReply to_statx(const struct stat& attr, const timespec& birth, double valid_seconds) {
  StatxReply out{};
  out.valid_seconds = static_cast<std::uint64_t>(valid_seconds);
  // A birth before 1970 to the nanosecond is no birth: computed nodes have none.
  const bool born = birth.tv_sec != 0 || birth.tv_nsec != 0;
  out.mask = STATX_BASIC_STATS | (born ? STATX_BTIME : 0);
  out.block_size = static_cast<std::uint32_t>(attr.st_blksize);
  out.links = static_cast<std::uint32_t>(attr.st_nlink);
  out.uid = attr.st_uid;
  out.gid = attr.st_gid;
  out.mode = static_cast<std::uint16_t>(attr.st_mode);
  out.ino = attr.st_ino;
  out.size = static_cast<std::uint64_t>(attr.st_size);
  out.blocks = static_cast<std::uint64_t>(attr.st_blocks);
  out.atime = to_statx(attr.st_atim);
  out.btime = to_statx(birth);
  out.ctime = to_statx(attr.st_ctim);
  out.mtime = to_statx(attr.st_mtim);
  out.rdev_major = major(attr.st_rdev);
  out.rdev_minor = minor(attr.st_rdev);
  return out;
}

}  // namespace vexfs
