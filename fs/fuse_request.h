// SPDX-License-Identifier: Apache-2.0
// The life of a request between the kernel and the FileSystem (DESIGN: ask without waiting).
//
//   received on a libfuse thread -> called with Wait::never -> answered there, or, on EAGAIN:
//   arguments copied to the heap -> called with Wait::allowed on a worker -> answered there
//
// How many are parked, and how much they carry, is bounded (fs/parked_requests.h).
// Only fs/fuse_*.cc include this.
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/buffer_pool.h"
#include "base/workers.h"
#include "fs/fuse_reply.h"
#include "fs/parked_requests.h"

namespace vexfs {

// How a request is treated when it has to wait.
enum class RequestKind : std::uint8_t {
  names,     // names and attributes of ordinary nodes: never interrupted, no supplementary groups
  content,   // the content of ordinary files: the same, on workers of their own
  question,  // of computed nodes: the caller's groups are read, EINTR on interrupt
};
inline RequestKind kind_of(NodeId node) {
  return is_hidden(node) ? RequestKind::question : RequestKind::names;
}
inline RequestKind kind_of_content(NodeId node) {
  return is_hidden(node) ? RequestKind::question : RequestKind::content;
}

// What the requests of one mount share; libfuse carries it as user data.
struct FuseBorder {
  FuseBorder(FileSystem& f, unsigned cores, ParkedRequests::Limits limits = {})
      : files(f),
        parked(limits),
        name_workers(std::make_unique<Workers>("fuse-names", 4 * cores + 4)),
        content_workers(std::make_unique<Workers>("fuse-content", 4 * cores + 4)),
        question_workers(std::make_unique<Workers>("fuse-ask", cores + 2)) {}
  // Answers what is parked and ends the workers.
  void finish() {
    name_workers.reset();
    content_workers.reset();
    question_workers.reset();
  }

  Workers& workers(RequestKind kind) {
    return kind == RequestKind::names     ? *name_workers
           : kind == RequestKind::content ? *content_workers
                                          : *question_workers;
  }

  FileSystem& files;
  ParkedRequests parked;
  // Names and attributes are mostly in memory, and what has to wait there waits shortly: reads
  // that hang in a slow disk, or slow searches, must not stand before them.
  std::unique_ptr<Workers> name_workers, content_workers;
  std::unique_ptr<Workers> question_workers;
  std::move_only_function<void()> on_ready;  // INIT has been received
  bool writeback_wanted = false;
  bool acl = false;  // access control lists are stored and obeyed
};

inline FuseBorder& border_of(fuse_req_t req) {
  return *static_cast<FuseBorder*>(fuse_req_userdata(req));
}

// On whose behalf the request runs.
Caller caller_of(fuse_req_t req, RequestKind kind);
namespace parked {

// An argument as a parked request keeps it, and as the call takes it again.
inline std::string own(std::string_view text) {
  return std::string(text);
}
inline Buffer own(Bytes bytes) {
  Buffer copy = Buffer::take(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.data());
  return copy;
}
template <class T>
T own(T plain) {
  return plain;
}
// What it carries beside itself.
inline std::size_t bytes_of(Bytes bytes) {
  return bytes.size();
}
template <class T>
std::size_t bytes_of(const T&) {
  return 0;
}
inline std::string_view lend(const std::string& text) {
  return text;
}
inline Bytes lend(const Buffer& bytes) {
  return bytes.bytes();
}
template <class T>
const T& lend(const T& plain) {
  return plain;
}

}  // namespace parked

// The rest of serve(), for what has to wait: in a function of its own, so that its frame is not
// on the stack of what is answered at once.
template <class Call, class... Args>
[[gnu::noinline]] void park(Reply reply, const Caller& caller, RequestKind kind, Call call,
                            const Args&... args) {
  FuseBorder& border = border_of(reply.request());
  auto place = border.parked.take((parked::bytes_of(args) + ... + 0));
  auto again = [&border, call, caller, args_kept = std::make_tuple(parked::own(args)...)] {
    return std::apply(
        [&](const auto&... kept) {
          return call(border.files, caller, Wait::allowed, parked::lend(kept)...);
        },
        args_kept);
  };
  Workers& workers = border.workers(kind);
  if (kind != RequestKind::question)
    return workers.submit([again = std::move(again), reply = std::move(reply),
                           place = std::move(place)]() mutable { std::move(reply).send(again()); });
  workers.submit([again = std::move(again), waiting = ParkedReply(std::move(reply)),
                  place = std::move(place)]() mutable {
    if (waiting.interrupted()) return;
    const auto result = again();
    if (auto mine = waiting.claim()) std::move(*mine).send(result);
  });
}

// Asks `call(FileSystem&, const Caller&, Wait, args...)` and answers `req` with its result.
// Arguments are values, std::string_view or Bytes; the last two end with the callback that
// received them, so they are copied when the request is parked.
template <class Call, class... Args>
void serve(fuse_req_t req, FuseOp op, RequestKind kind, Call call, const Args&... args) {
  Reply reply(req, op);
  const Caller caller = caller_of(req, kind);
  {
    const auto result = call(border_of(req).files, caller, Wait::never, args...);
    if (result || result.error().code != EAGAIN) return std::move(reply).send(result);
  }
  park(std::move(reply), caller, kind, call, args...);
}

// Each fills in the callbacks of its topic.
void add_node_operations(fuse_lowlevel_ops& ops);
void add_data_operations(fuse_lowlevel_ops& ops);
void add_directory_operations(fuse_lowlevel_ops& ops);
void add_xattr_operations(fuse_lowlevel_ops& ops);

}  // namespace vexfs
