// SPDX-License-Identifier: Apache-2.0
#include "fs/fuse_request.h"

#include "fs/fuse_wire.h"

namespace vexfs {

namespace {
constexpr int kGroupsMax = 256;  // first guess; the call says how many there are
}

Caller caller_of(fuse_req_t req, RequestKind kind) {
  const fuse_ctx* context = fuse_req_ctx(req);
  Caller caller{.uid = context->uid,
                .gid = context->gid,
                .pid = context->pid,
                .umask = context->umask,
                .kills_set_id = wire_request().kills_set_id};
  // root's groups decide nothing, and reading them (from /proc) costs about 20 us.
  if (kind != RequestKind::question || caller.uid == 0) return caller;
  caller.groups.resize(kGroupsMax);
  int count = fuse_req_getgroups(req, kGroupsMax, caller.groups.data());
  if (count > kGroupsMax) {
    caller.groups.resize(static_cast<std::size_t>(count));
    count = std::min(count, fuse_req_getgroups(req, count, caller.groups.data()));
  }
  // An asker that is gone, or lives in another pid name space, has no groups that we can see.
  caller.groups.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return caller;
}

}  // namespace vexfs
