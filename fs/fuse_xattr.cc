// SPDX-License-Identifier: Apache-2.0
// Callbacks for extended attributes. The kernel keeps none of them, so each use is a request:
// a size probe, then the value.
#include <utility>

#include "fs/fuse_request.h"

namespace vexfs {

namespace {

// Lists are cut by nobody: what does not fit is ERANGE, and the kernel takes 64 KiB at most.
constexpr std::string_view kComputed = "user.vexfs.";
// Without the kernel's ACL support (mounted without -o acl) these would be stored but not obeyed.
constexpr std::string_view kAcl = "system.posix_acl_";

RequestKind kind_of_xattr(NodeId node, std::string_view name) {
  return name.starts_with(kComputed) ? RequestKind::question : kind_of(node);
}

// Answers ACL names at once; true when it did.
bool refused_acl(fuse_req_t req, FuseOp op, std::string_view name) {
  if (!name.starts_with(kAcl) || border_of(req).acl) return false;
  Reply(req, op).error({EOPNOTSUPP, "fuse: access control lists are not supported"});
  return true;
}

void on_setxattr(fuse_req_t req, fuse_ino_t node, const char* name, const char* value,
                 std::size_t size, int flags) noexcept {
  if (refused_acl(req, FuseOp::setxattr, name)) return;
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::string_view attribute, Bytes bytes,
                       int how) { return files.setxattr(caller, of, attribute, bytes, how, wait); };
  // Who sets a list must be in the file's group to keep its set-group-id bit: with groups.
  const RequestKind kind =
      std::string_view(name).starts_with(kAcl) ? RequestKind::question : kind_of_xattr(node, name);
  serve(req, FuseOp::setxattr, kind, call, NodeId{node}, std::string_view(name),
        as_bytes({value, size}), flags);
}

void on_getxattr(fuse_req_t req, fuse_ino_t node, const char* name, std::size_t size) noexcept {
  if (refused_acl(req, FuseOp::getxattr, name)) return;
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::string_view attribute, std::size_t asked) -> Result<XattrRead> {
    VEXFS_TRY(std::string value, files.getxattr(caller, of, attribute, asked, wait));
    return XattrRead{.value = std::move(value), .bytes_asked = asked};
  };
  serve(req, FuseOp::getxattr, kind_of_xattr(node, name), call, NodeId{node},
        std::string_view(name), size);
}

void on_listxattr(fuse_req_t req, fuse_ino_t node, std::size_t size) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::size_t asked) -> Result<XattrRead> {
    VEXFS_TRY(std::string names, files.listxattr(caller, of, wait));
    return XattrRead{.value = std::move(names), .bytes_asked = asked};
  };
  serve(req, FuseOp::listxattr, kind_of(node), call, NodeId{node}, size);
}

void on_removexattr(fuse_req_t req, fuse_ino_t node, const char* name) noexcept {
  if (refused_acl(req, FuseOp::removexattr, name)) return;
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       std::string_view attribute) {
    return files.removexattr(caller, of, attribute, wait);
  };
  serve(req, FuseOp::removexattr, kind_of_xattr(node, name), call, NodeId{node},
        std::string_view(name));
}

}  // namespace

void add_xattr_operations(fuse_lowlevel_ops& ops) {
  ops.setxattr = on_setxattr;
  ops.getxattr = on_getxattr;
  ops.listxattr = on_listxattr;
  ops.removexattr = on_removexattr;
}

}  // namespace vexfs
