// SPDX-License-Identifier: Apache-2.0
// Callbacks for open files: content, flush and fsync.
#include <fcntl.h>

#include <memory>
#include <utility>

#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"

namespace vexfs {

namespace {

// A reader has nothing to flush, and a close without FLUSH saves it a round trip. Locks are the
// kernel's own here, so nobody else waits for that message either.
bool flush_needed(NodeId node, int flags) {
  return is_hidden(node) || (flags & O_ACCMODE) != O_RDONLY;
}

// O_TMPFILE: a file without a name, which linkat() may give it one.
void create_unnamed(fuse_req_t req, fuse_ino_t parent, mode_t mode, int flags) {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       mode_t new_mode, int open_flags) {
    return files.create_unnamed(caller, in, new_mode, open_flags, wait);
  };
  serve(req, FuseOp::create, kind_of(parent), call, NodeId{parent}, mode, flags);
}

void on_create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* file) noexcept {
  if (wire_request().tmpfile) return create_unnamed(req, parent, mode, file->flags);
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       std::string_view entry_name, mode_t new_mode, int flags) {
    return files.create(caller, in, entry_name, new_mode, flags, wait);
  };
  serve(req, FuseOp::create, kind_of(parent), call, NodeId{parent}, std::string_view(name), mode,
        file->flags);
}

void on_open(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       int flags) -> Result<OpenedFile> {
    VEXFS_TRY(const Opened opened, files.open_file(caller, of, flags, wait));
    return OpenedFile{.node = of, .opened = opened, .flush_needed = flush_needed(of, flags)};
  };
  serve(req, FuseOp::open, kind_of(node), call, NodeId{node}, file->flags);
}

void on_read(fuse_req_t req, fuse_ino_t node, std::size_t size, off_t offset,
             fuse_file_info* file) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::uint64_t handle, std::uint64_t from,
                       std::size_t bytes) -> Result<DataRead> {
    DataRead data{.buffer = Buffer::take(bytes)};
    VEXFS_TRY(data.bytes, files.read(caller, of, handle, from, data.buffer.bytes(), wait));
    return data;
  };
  serve(req, FuseOp::read, kind_of_content(node), call, NodeId{node}, file->fh,
        static_cast<std::uint64_t>(offset), size);
}

void on_write(fuse_req_t req, fuse_ino_t node, const char* data, std::size_t size, off_t offset,
              fuse_file_info* file) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::uint64_t handle, std::uint64_t at, Bytes from) -> Result<BytesWritten> {
    VEXFS_TRY(const std::size_t bytes, files.write(caller, of, handle, at, from, wait));
    return BytesWritten{.bytes = bytes};
  };
  serve(req, FuseOp::write, kind_of_content(node), call, NodeId{node}, file->fh,
        static_cast<std::uint64_t>(offset), as_bytes({data, size}));
}

void on_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t offset, off_t length,
                  fuse_file_info* file) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::uint64_t handle, int how, std::uint64_t from, std::uint64_t bytes) {
    return files.fallocate(caller, of, handle, how, from, bytes, wait);
  };
  serve(req, FuseOp::fallocate, kind_of_content(node), call, NodeId{node}, file->fh, mode,
        static_cast<std::uint64_t>(offset), static_cast<std::uint64_t>(length));
}

void on_lseek(fuse_req_t req, fuse_ino_t node, off_t offset, int whence,
              fuse_file_info* file) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::uint64_t handle, std::uint64_t from,
                       int direction) -> Result<SeekOffset> {
    VEXFS_TRY(const auto found, files.lseek(caller, of, handle, from, direction, wait));
    return SeekOffset{.offset = found};
  };
  serve(req, FuseOp::lseek, kind_of_content(node), call, NodeId{node}, file->fh,
        static_cast<std::uint64_t>(offset), whence);
}

void on_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_offset, fuse_file_info*,
                        fuse_ino_t to, off_t to_offset, fuse_file_info*, std::size_t length,
                        int flags) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId source,
                       std::uint64_t source_offset, NodeId target, std::uint64_t target_offset,
                       std::uint64_t bytes, int how) -> Result<BytesWritten> {
    if (how != 0) return fail(EINVAL, "fuse: flags of copy_file_range");
    VEXFS_TRY(const std::uint64_t copied,
              files.copy_range(caller, source, source_offset, target, target_offset, bytes, wait));
    return BytesWritten{.bytes = copied};
  };
  serve(req, FuseOp::copy_file_range, kind_of_content(from), call, NodeId{from},
        static_cast<std::uint64_t>(from_offset), NodeId{to}, static_cast<std::uint64_t>(to_offset),
        std::uint64_t{length}, flags);
}

void on_flush(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::uint64_t handle) { return files.flush(caller, of, handle, wait); };
  serve(req, FuseOp::flush, kind_of_content(node), call, NodeId{node}, file->fh);
}

void on_release(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  Reply reply(req, FuseOp::release);
  border_of(req).files.release(node, file->fh, file->flags);
  std::move(reply).done();
}

using SyncCall = void (FileSystem::*)(const Caller&, NodeId, std::uint64_t, bool, FileSystem::Done);

// Parks the reply with whoever makes things durable. A barrier of `.vexfs` may be interrupted;
// fsync of a file may not, for programs take its EINTR for lost data.
void sync(fuse_req_t req, FuseOp op, SyncCall call, NodeId node, bool data_only,
          std::uint64_t handle) {
  const RequestKind kind = kind_of_content(node);
  FuseBorder& border = border_of(req);
  const Caller caller = caller_of(req, kind);
  Reply reply(req, op);
  auto place = border.parked.take(0);
  if (kind == RequestKind::content) {
    return (border.files.*call)(caller, node, handle, data_only,
                                [mine = std::move(reply), place = std::move(place)](
                                    Result<> result) mutable { std::move(mine).send(result); });
  }
  (border.files.*call)(
      caller, node, handle, data_only,
      [waiting = ParkedReply(std::move(reply)), place = std::move(place)](Result<> result) mutable {
        if (auto mine = waiting.claim()) std::move(*mine).send(result);
      });
}

void on_fsync(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* file) noexcept {
  sync(req, FuseOp::fsync, &FileSystem::fsync, node, data_only != 0, file->fh);
}

void on_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, fuse_file_info* file) noexcept {
  sync(req, FuseOp::fsyncdir, &FileSystem::fsyncdir, node, data_only != 0, file->fh);
}

}  // namespace

void add_data_operations(fuse_lowlevel_ops& ops) {
  ops.create = on_create;
  ops.open = on_open;
  ops.read = on_read;
  ops.write = on_write;
  ops.fallocate = on_fallocate;
  ops.lseek = on_lseek;
  ops.copy_file_range = on_copy_file_range;
  ops.flush = on_flush;
  ops.release = on_release;
  ops.fsync = on_fsync;
  ops.fsyncdir = on_fsyncdir;
}

}  // namespace vexfs
