// SPDX-License-Identifier: Apache-2.0
// Reply: the answer that one request of the kernel is owed, and the one place where an Error
// becomes an errno. Spent exactly once, checked by its destructor; what it measures is the time
// from receiving the request to the answer, parked time included.
//
// Threads: any, one at a time. No lock is held while replying.
#pragma once
#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <fuse_lowlevel.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/buffer_pool.h"
#include "base/clock.h"
#include "fs/file_system.h"

namespace vexfs {

// The operations that are counted and timed, as op="…" of vexfs_fuse_op_seconds.
enum class FuseOp : std::uint8_t {
  lookup,
  forget,
  getattr,
  setattr,
  readlink,
  mknod,
  mkdir,
  unlink,
  rmdir,
  symlink,
  rename,
  link,
  create,
  open,
  read,
  write,
  fallocate,
  lseek,
  copy_file_range,
  flush,
  release,
  fsync,
  opendir,
  readdir,
  readdirplus,
  releasedir,
  fsyncdir,
  statfs,
  setxattr,
  getxattr,
  listxattr,
  removexattr,
};

// What a reply needs beside what the FileSystem returned.
struct OpenedFile {
  NodeId node = 0;
  Opened opened;
  bool flush_needed = true;  // false: close() sends no FLUSH
};
struct DataRead {
  Buffer buffer;
  std::size_t bytes = 0;
};
struct XattrRead {
  std::string value;
  std::size_t bytes_asked = 0;  // 0: only the size is wanted
};
struct DirectoryPage {
  Buffer buffer;
  std::size_t bytes = 0;
  std::vector<NodeId> lookups = {};  // counted for entries of the page (readdirplus)
};
struct StatxAttributes {
  Attributes attributes;
};
struct BytesWritten {
  std::size_t bytes = 0;
};
struct SeekOffset {
  std::uint64_t offset = 0;
};

class Reply {
 public:
  Reply(fuse_req_t req, FuseOp op) : Reply(req, op, monotonic_ns()) {}
  Reply(Reply&& other) noexcept
      : req_(std::exchange(other.req_, nullptr)), op_(other.op_), start_ns_(other.start_ns_) {}
  Reply& operator=(Reply&&) = delete;
  ~Reply() { VEXFS_ASSERT(req_ == nullptr); }

  template <class T>
  void send(const Result<T>& result) && {
    if (!result) return std::move(*this).error(result.error());
    if constexpr (std::is_void_v<T>)
      std::move(*this).done();
    else
      std::move(*this).value(*result);
  }
  void error(Error e) &&;
  void done() &&;
  void none() &&;  // requests that the kernel wants no answer to (FORGET)
  void value(const Entry& entry) &&;
  void value(const Attributes& attributes) &&;
  void value(const StatxAttributes& attributes) &&;
  void value(const std::string& link_target) &&;
  void value(const struct statvfs& facts) &&;
  void value(const OpenedFile& file) &&;
  void value(const Created& file) &&;
  void value(const DataRead& data) &&;
  void value(const BytesWritten& written) &&;
  void value(const SeekOffset& seek) &&;
  void value(const XattrRead& xattr) &&;
  void value(const DirectoryPage& page) &&;

  fuse_req_t request() const { return req_; }
  FuseOp op() const { return op_; }

 private:
  friend class ParkedReply;
  Reply(fuse_req_t req, FuseOp op, std::uint64_t start_ns)
      : req_(req), op_(op), start_ns_(start_ns) {}
  // The request, which the caller answers now; its time is recorded.
  fuse_req_t take();

  fuse_req_t req_;
  FuseOp op_;
  std::uint64_t start_ns_;
};

// ParkedReply: a reply that waits for something long (a search, a barrier) and that an interrupt
// of the asking process may overtake with EINTR. Ordinary files do not use it: what a local file
// system does not interrupt, this one does not either.
//
//   state        meaning                                        next
//   registering  the constructor is telling libfuse             waiting, interrupted
//   waiting      nobody has answered                            answered (either side)
//   interrupted  the interrupt came first; constructor answers  answered
//   answered     the reply is spent
class ParkedReply {
 public:
  explicit ParkedReply(Reply reply);
  ParkedReply(ParkedReply&&) noexcept = default;
  ~ParkedReply();
  // Whether an interrupt has answered: what is asked need not be found out any more.
  bool interrupted() const;
  // The reply, or nothing when an interrupt has answered.
  std::optional<Reply> claim();

 private:
  struct State;
  struct Deleter {
    void operator()(State* state) const;
  };
  static void on_interrupt(fuse_req_t req, void* state) noexcept;
  std::unique_ptr<State, Deleter> state_;
};

}  // namespace vexfs
