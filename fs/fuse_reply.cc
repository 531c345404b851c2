// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_reply.h"

#include <array>
#include <atomic>
#include <memory>

#include "base/metrics.h"
#include "base/text.h"
#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"

namespace vexfs {

namespace {

constexpr std::array kOpNames = {
    "lookup",          "forget",     "getattr",  "setattr", "readlink",  "mknod",
    "mkdir",           "unlink",     "rmdir",    "symlink", "rename",    "link",
    "create",          "open",       "read",     "write",   "fallocate", "lseek",
    "copy_file_range", "flush",      "release",  "fsync",   "opendir",   "readdir",
    "readdirplus",     "releasedir", "fsyncdir", "statfs",  "setxattr",  "getxattr",
    "listxattr",       "removexattr"};
static_assert(kOpNames.size() == static_cast<std::size_t>(FuseOp::removexattr) + 1);

struct OpMetrics {
  Histogram* seconds;
  Counter* errors;
};

const OpMetrics& metrics_of(FuseOp op) {
  static const std::array<OpMetrics, kOpNames.size()> all = [] {
    std::array<OpMetrics, kOpNames.size()> made{};
    for (std::size_t i = 0; i < made.size(); ++i) {
      const std::string label = format("op=\"{}\"", kOpNames[i]);
      made[i].seconds = &metrics::histogram("vexfs_fuse_op_seconds",
                                            "From receiving a request to its answer", label);
      made[i].errors =
          &metrics::counter("vexfs_fuse_op_errors_total", "Requests answered with an error", label);
    }
    return made;
  }();
  return all[static_cast<std::size_t>(op)];
}

fuse_entry_param to_fuse(const Entry& entry) {
  fuse_entry_param out{};
  out.ino = entry.node;
  out.generation = entry.generation;
  out.attr = entry.attr;
  out.attr_timeout = entry.attr_seconds;
  out.entry_timeout = entry.entry_seconds;
  return out;
}

fuse_file_info to_fuse(const Opened& opened) {
  fuse_file_info out{};
  out.fh = opened.handle;
  out.direct_io = opened.direct_io;
  out.keep_cache = opened.keep_cache;
  out.cache_readdir = opened.cache_readdir;
  out.nonseekable = opened.nonseekable;
  return out;
}

const char* chars(const Buffer& buffer) {
  return reinterpret_cast<const char*>(buffer.data());
}

// The kernel refuses an answer with ENOENT when the request is gone (its process was killed):
// what the answer would have handed over must be taken back.
bool refused(int reply_result) {
  return reply_result == -ENOENT;
}

}  // namespace

fuse_req_t Reply::take() {
  VEXFS_ASSERT(req_ != nullptr);
  metrics_of(op_).seconds->record(monotonic_ns() - start_ns_);
  return std::exchange(req_, nullptr);
}

void Reply::error(Error e) && {
  // "No such name" and "no such attribute" are answers, not faults.
  if (e.code != ENOENT && e.code != ENODATA) metrics_of(op_).errors->add();
  fuse_reply_err(take(), e.code);
}

void Reply::done() && {
  fuse_reply_err(take(), 0);
}

void Reply::none() && {
  fuse_reply_none(take());
}

void Reply::value(const Entry& entry) && {
  FileSystem& files = border_of(req_).files;
  const fuse_entry_param out = to_fuse(entry);
  if (refused(fuse_reply_entry(take(), &out)) && entry.node != 0) files.forget(entry.node, 1);
}

void Reply::value(const Attributes& attributes) && {
  fuse_reply_attr(take(), &attributes.attr, attributes.attr_seconds);
}

void Reply::value(const StatxAttributes& statx) && {
  const auto& [attr, birth, seconds] = statx.attributes;
  const StatxReply out = to_statx(attr, birth, seconds);
  fuse_reply_buf(take(), reinterpret_cast<const char*>(&out), sizeof out);
}

void Reply::value(const std::string& link_target) && {
  fuse_reply_readlink(take(), link_target.c_str());
}

void Reply::value(const struct statvfs& facts) && {
  fuse_reply_statfs(take(), &facts);
}

void Reply::value(const OpenedFile& file) && {
  FuseBorder& border = border_of(req_);
  const bool directory = op_ == FuseOp::opendir;
  fuse_file_info out = to_fuse(file.opened);
  out.noflush = !file.flush_needed;
  const NodeId node = file.node;
  if (!refused(fuse_reply_open(take(), &out))) return;
  if (directory)
    border.files.releasedir(node, file.opened.handle);
  else
    border.files.release(node, file.opened.handle, 0);
}

void Reply::value(const Created& file) && {
  FileSystem& files = border_of(req_).files;
  const auto& [entry, opened] = file;
  const fuse_entry_param entry_out = to_fuse(entry);
  fuse_file_info opened_out = to_fuse(opened);
  // What is new replaces nothing, so RELEASE is early enough to begin with its content: a round
  // trip less, of four.
  opened_out.noflush = 1;
  if (!refused(fuse_reply_create(take(), &entry_out, &opened_out))) return;
  files.release(entry.node, opened.handle, 0);
  files.forget(entry.node, 1);
}

void Reply::value(const DataRead& data) && {
  fuse_reply_buf(take(), chars(data.buffer), data.bytes);
}

void Reply::value(const BytesWritten& written) && {
  fuse_reply_write(take(), written.bytes);
}

void Reply::value(const SeekOffset& seek) && {
  fuse_reply_lseek(take(), static_cast<off_t>(seek.offset));
}

void Reply::value(const XattrRead& xattr) && {
  if (xattr.bytes_asked == 0)
    fuse_reply_xattr(take(), xattr.value.size());
  else if (xattr.value.size() > xattr.bytes_asked)
    std::move(*this).error({ERANGE, "fuse: the caller's buffer is too small"});
  else
    fuse_reply_buf(take(), xattr.value.data(), xattr.value.size());
}

void Reply::value(const DirectoryPage& page) && {
  FileSystem& files = border_of(req_).files;
  if (!refused(fuse_reply_buf(take(), chars(page.buffer), page.bytes))) return;
  for (NodeId node : page.lookups) files.forget(node, 1);
}

struct ParkedReply::State {
  enum class Phase : std::uint8_t { registering, waiting, interrupted, answered };
  std::atomic<Phase> phase{Phase::registering};  // the interrupt and the claimer race for it
  fuse_req_t req;
  FuseOp op;
  std::uint64_t start_ns;
};

void ParkedReply::Deleter::operator()(State* state) const {
  delete state;
}

ParkedReply::ParkedReply(Reply reply) : state_(new State) {
  state_->op = reply.op_;
  state_->start_ns = reply.start_ns_;
  state_->req = std::exchange(reply.req_, nullptr);
  // libfuse may call on_interrupt from inside, holding a lock of the request: it must not be
  // answered (and freed) there, so that case is only noted, and answered below.
  fuse_req_interrupt_func(state_->req, on_interrupt, state_.get());
  auto expected = State::Phase::registering;
  if (state_->phase.compare_exchange_strong(expected, State::Phase::waiting)) return;
  state_->phase = State::Phase::answered;
  Reply(state_->req, state_->op, state_->start_ns).error({EINTR, "fuse: interrupted"});
}

void ParkedReply::on_interrupt(fuse_req_t req, void* data) noexcept {
  auto* state = static_cast<State*>(data);
  auto expected = State::Phase::registering;
  if (state->phase.compare_exchange_strong(expected, State::Phase::interrupted)) return;
  // Once the phase says answered the claimer may delete the state: copy first.
  Reply reply(req, state->op, state->start_ns);
  expected = State::Phase::waiting;
  if (state->phase.compare_exchange_strong(expected, State::Phase::answered))
    std::move(reply).error({EINTR, "fuse: interrupted"});
  else
    reply.req_ = nullptr;  // the claimer owns it
}

bool ParkedReply::interrupted() const {
  return state_->phase.load() == State::Phase::answered;
}

std::optional<Reply> ParkedReply::claim() {
  auto expected = State::Phase::waiting;
  if (!state_->phase.compare_exchange_strong(expected, State::Phase::answered)) return std::nullopt;
  // Returns after an interrupt that is running has ended: nobody uses the state any more.
  fuse_req_interrupt_func(state_->req, nullptr, nullptr);
  return Reply(state_->req, state_->op, state_->start_ns);
}

ParkedReply::~ParkedReply() {
  VEXFS_ASSERT(!state_ || state_->phase == State::Phase::answered);
}

}  // namespace vexfs
