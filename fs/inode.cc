// SPDX-License-Identifier: Apache-2.0
#include "fs/inode.h"

#include <cstring>
#include <limits>

#include "base/clock.h"

namespace vexfs {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::uint64_t bits(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}
std::int64_t signed_of(std::uint64_t v) {
  return static_cast<std::int64_t>(v);
}

}  // namespace

InodeRecord Inode::encode() const {
  return {.version = kInodeVersion,
          .reserved_low = std::uint16_t{0},
          .mode = mode,
          .uid = uid,
          .gid = gid,
          .links = links,
          .flags = flags | (preallocated ? kInodePreallocated : 0u),
          .size = size,
          .blocks = blocks,
          .rdev = rdev,
          .content = content,
          .parent = static_cast<std::uint64_t>(parent),
          .birth_ns = bits(birth_ns),
          .ctime_ns = bits(ctime_ns),
          .mtime_ns = bits(mtime_ns),
          .atime_ns = bits(atime_ns),
          .generation = generation,
          .xattr_bytes = xattr_bytes,
          .reserved = {}};
}

Result<Inode> Inode::decode(Bytes bytes) {
  InodeRecord record;
  if (bytes.size() != sizeof record) return fail(EUCLEAN, "inode: record of a bad size");
  std::memcpy(&record, bytes.data(), sizeof record);
  if (record.version != kInodeVersion) return fail(EUCLEAN, "inode: record of no known version");
  if ((record.flags & ~(kInodePreallocated | kInodeAttributes)) != 0 || record.reserved_low != 0 ||
      record.reserved != InodeRecord{}.reserved)
    return fail(EUCLEAN, "inode: reserved bytes are not zero");
  Inode inode;
  inode.mode = record.mode;
  inode.uid = record.uid;
  inode.gid = record.gid;
  inode.links = record.links;
  inode.flags = record.flags & kInodeAttributes;
  inode.size = record.size;
  inode.blocks = record.blocks;
  inode.rdev = record.rdev;
  inode.content = record.content;
  inode.parent = static_cast<Ino>(static_cast<std::uint64_t>(record.parent));
  inode.birth_ns = signed_of(record.birth_ns);
  inode.ctime_ns = signed_of(record.ctime_ns);
  inode.mtime_ns = signed_of(record.mtime_ns);
  inode.atime_ns = signed_of(record.atime_ns);
  inode.generation = record.generation;
  inode.xattr_bytes = record.xattr_bytes;
  inode.preallocated = (record.flags & kInodePreallocated) != 0;
  return inode;
}

struct stat to_stat(Ino ino, const Inode& inode, std::uint64_t pending_blocks) {
  struct stat out{};
  out.st_ino = static_cast<ino_t>(ino);
  out.st_mode = inode.mode;
  out.st_nlink = inode.links;
  out.st_uid = inode.uid;
  out.st_gid = inode.gid;
  out.st_rdev = inode.rdev;
  out.st_size = static_cast<off_t>(inode.size);
  out.st_blksize = kBlockBytes;
  out.st_blocks = static_cast<blkcnt_t>((inode.blocks + pending_blocks) * (kBlockBytes / 512));
  out.st_ctim = from_ns(inode.ctime_ns);
  out.st_mtim = from_ns(inode.mtime_ns);
  out.st_atim = from_ns(inode.atime_ns);
  return out;
}

std::int64_t to_ns(const timespec& time) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (time.tv_sec > kMax / kSecond - 1) return kMax;
  if (time.tv_sec < -(kMax / kSecond) + 1) return -kMax;
  return time.tv_sec * kSecond + time.tv_nsec;
}

timespec from_ns(std::int64_t ns) {
  std::int64_t seconds = ns / kSecond, rest = ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

std::int64_t now_ns() {
  return to_ns(wall_clock());
}

}  // namespace vexfs
