// SPDX-License-Identifier: Apache-2.0
// ParkingFileSystem: another FileSystem, of which every answer has to wait when `parks`: each
// request then takes the way over a pool worker.
// Threads: any.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include "fs/file_system.h"

namespace vexfs {

class ParkingFileSystem final : public FileSystem {
 public:
  ParkingFileSystem(std::unique_ptr<FileSystem> inner, bool parks)
      : inner_(std::move(inner)), parks_(parks) {}

  Result<> close() override { return inner_->close(); }
  void forget(NodeId n, std::uint64_t l) override { inner_->forget(n, l); }
  void release(NodeId n, std::uint64_t h, int f) override { inner_->release(n, h, f); }
  void releasedir(NodeId n, std::uint64_t h) override { inner_->releasedir(n, h); }
  void fsync(const Caller& c, NodeId n, std::uint64_t h, bool d, Done done) override {
    inner_->fsync(c, n, h, d, std::move(done));
  }
  void fsyncdir(const Caller& c, NodeId n, std::uint64_t h, bool d, Done done) override {
    inner_->fsyncdir(c, n, h, d, std::move(done));
  }
  Result<struct statvfs> statfs(NodeId n, Wait w) override { return inner_->statfs(n, w); }

  Result<Entry> lookup(const Caller& c, NodeId p, std::string_view n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->lookup(c, p, n, w);
  }
  Result<Attributes> getattr(const Caller& c, NodeId n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->getattr(c, n, w);
  }
  Result<Attributes> setattr(const Caller& c, NodeId n, const SetAttr& s, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->setattr(c, n, s, w);
  }
  Result<std::string> readlink(const Caller& c, NodeId n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->readlink(c, n, w);
  }
  Result<Entry> mknod(const Caller& c, NodeId p, std::string_view n, mode_t m, dev_t d,
                      Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->mknod(c, p, n, m, d, w);
  }
  Result<Entry> mkdir(const Caller& c, NodeId p, std::string_view n, mode_t m, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->mkdir(c, p, n, m, w);
  }
  Result<Entry> symlink(const Caller& c, std::string_view t, NodeId p, std::string_view n,
                        Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->symlink(c, t, p, n, w);
  }
  Result<Entry> link(const Caller& c, NodeId o, NodeId p, std::string_view n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->link(c, o, p, n, w);
  }
  Result<> unlink(const Caller& c, NodeId p, std::string_view n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->unlink(c, p, n, w);
  }
  Result<> rmdir(const Caller& c, NodeId p, std::string_view n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->rmdir(c, p, n, w);
  }
  Result<> rename(const Caller& c, NodeId p, std::string_view n, NodeId q, std::string_view m,
                  unsigned f, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->rename(c, p, n, q, m, f, w);
  }
  Result<Created> create(const Caller& c, NodeId p, std::string_view n, mode_t m, int f,
                         Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->create(c, p, n, m, f, w);
  }
  Result<Created> create_unnamed(const Caller& c, NodeId p, mode_t m, int f, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->create_unnamed(c, p, m, f, w);
  }
  Result<Opened> open_file(const Caller& c, NodeId n, int f, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->open_file(c, n, f, w);
  }
  Result<std::size_t> read(const Caller& c, NodeId n, std::uint64_t h, std::uint64_t o,
                           MutableBytes b, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->read(c, n, h, o, b, w);
  }
  Result<std::size_t> write(const Caller& c, NodeId n, std::uint64_t h, std::uint64_t o, Bytes b,
                            Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->write(c, n, h, o, b, w);
  }
  Result<> fallocate(const Caller& c, NodeId n, std::uint64_t h, int m, std::uint64_t o,
                     std::uint64_t l, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->fallocate(c, n, h, m, o, l, w);
  }
  Result<std::uint64_t> lseek(const Caller& c, NodeId n, std::uint64_t h, std::uint64_t o, int f,
                              Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->lseek(c, n, h, o, f, w);
  }
  Result<> flush(const Caller& c, NodeId n, std::uint64_t h, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->flush(c, n, h, w);
  }
  Result<Opened> opendir(const Caller& c, NodeId n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->opendir(c, n, w);
  }
  Result<> readdir(const Caller& c, NodeId n, std::uint64_t h, std::uint64_t a, bool p, EmitEntry e,
                   Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->readdir(c, n, h, a, p, e, w);
  }
  Result<> setxattr(const Caller& c, NodeId n, std::string_view a, Bytes v, int f,
                    Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->setxattr(c, n, a, v, f, w);
  }
  Result<std::string> getxattr(const Caller& c, NodeId n, std::string_view a, std::size_t b,
                               Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->getxattr(c, n, a, b, w);
  }
  Result<std::string> listxattr(const Caller& c, NodeId n, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->listxattr(c, n, w);
  }
  Result<> removexattr(const Caller& c, NodeId n, std::string_view a, Wait w) override {
    if (parks_ && w == Wait::never) return again();
    return inner_->removexattr(c, n, a, w);
  }

 private:
  static std::unexpected<Error> again() { return fail(EAGAIN, "test: has to wait"); }
  const std::unique_ptr<FileSystem> inner_;
  const bool parks_;
};

}  // namespace vexfs
