// SPDX-License-Identifier: Apache-2.0
// Callbacks for names and attributes.
#include <utility>

#include "fs/fuse_request.h"
#include "fs/fuse_wire.h"

namespace vexfs {

namespace {

// The kernel may believe in the absence of an ordinary name: every change to it comes through
// the kernel itself. Nothing is believed below `.vexfs`.
constexpr double kAbsentSeconds = 3600;

void on_lookup(fuse_req_t req, fuse_ino_t parent, const char* name) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       std::string_view entry_name) -> Result<Entry> {
    Result<Entry> found = files.lookup(caller, in, entry_name, wait);
    if (!found && found.error().code == ENOENT && !is_hidden(in))
      return Entry{.entry_seconds = kAbsentSeconds};
    return found;
  };
  serve(req, FuseOp::lookup, kind_of(parent), call, NodeId{parent}, std::string_view(name));
}

void on_forget(fuse_req_t req, fuse_ino_t node, std::uint64_t lookups) noexcept {
  Reply reply(req, FuseOp::forget);
  border_of(req).files.forget(node, lookups);
  std::move(reply).none();
}

void on_forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) noexcept {
  Reply reply(req, FuseOp::forget);
  for (const fuse_forget_data& each : std::span(forgets, count))
    border_of(req).files.forget(each.ino, each.nlookup);
  std::move(reply).none();
}

// The kernel asks STATX when a program wants the time of birth.
void statx(fuse_req_t req, fuse_ino_t node) {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait,
                       NodeId of) -> Result<StatxAttributes> {
    VEXFS_TRY(const Attributes attributes, files.getattr(caller, of, wait));
    return StatxAttributes{.attributes = attributes};
  };
  serve(req, FuseOp::getattr, kind_of(node), call, NodeId{node});
}

void on_getattr(fuse_req_t req, fuse_ino_t node, fuse_file_info*) noexcept {
  if (wire_request().statx) return statx(req, node);
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of) {
    return files.getattr(caller, of, wait);
  };
  serve(req, FuseOp::getattr, kind_of(node), call, NodeId{node});
}

SetAttr to_set_attr(const struct stat& attr, int to_set) {
  const auto has = [to_set](int bit) { return (to_set & bit) != 0; };
  return {.mode = has(FUSE_SET_ATTR_MODE),
          .uid = has(FUSE_SET_ATTR_UID),
          .gid = has(FUSE_SET_ATTR_GID),
          .size = has(FUSE_SET_ATTR_SIZE),
          .atime = has(FUSE_SET_ATTR_ATIME),
          .mtime = has(FUSE_SET_ATTR_MTIME),
          .atime_now = has(FUSE_SET_ATTR_ATIME_NOW),
          .mtime_now = has(FUSE_SET_ATTR_MTIME_NOW),
          .ctime = has(FUSE_SET_ATTR_CTIME),
          .attr = attr};
}

void on_setattr(fuse_req_t req, fuse_ino_t node, struct stat* attr, int to_set,
                fuse_file_info*) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of,
                       const SetAttr& change) { return files.setattr(caller, of, change, wait); };
  const bool cuts = (to_set & FUSE_SET_ATTR_SIZE) != 0;
  serve(req, FuseOp::setattr, cuts ? kind_of_content(node) : kind_of(node), call, NodeId{node},
        to_set_attr(*attr, to_set));
}

void on_readlink(fuse_req_t req, fuse_ino_t node) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of) {
    return files.readlink(caller, of, wait);
  };
  serve(req, FuseOp::readlink, kind_of(node), call, NodeId{node});
}

void on_mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
              dev_t device) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       std::string_view entry_name, mode_t new_mode, dev_t new_device) {
    return files.mknod(caller, in, entry_name, new_mode, new_device, wait);
  };
  serve(req, FuseOp::mknod, kind_of(parent), call, NodeId{parent}, std::string_view(name), mode,
        device);
}

void on_mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       std::string_view entry_name, mode_t new_mode) {
    return files.mkdir(caller, in, entry_name, new_mode, wait);
  };
  serve(req, FuseOp::mkdir, kind_of(parent), call, NodeId{parent}, std::string_view(name), mode);
}

void on_symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, std::string_view to,
                       NodeId in, std::string_view entry_name) {
    return files.symlink(caller, to, in, entry_name, wait);
  };
  serve(req, FuseOp::symlink, kind_of(parent), call, std::string_view(target), NodeId{parent},
        std::string_view(name));
}

void on_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t parent, const char* name) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId of, NodeId in,
                       std::string_view entry_name) {
    return files.link(caller, of, in, entry_name, wait);
  };
  serve(req, FuseOp::link, kind_of(parent), call, NodeId{node}, NodeId{parent},
        std::string_view(name));
}

void on_unlink(fuse_req_t req, fuse_ino_t parent, const char* name) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       std::string_view entry_name) {
    return files.unlink(caller, in, entry_name, wait);
  };
  serve(req, FuseOp::unlink, kind_of(parent), call, NodeId{parent}, std::string_view(name));
}

void on_rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId in,
                       std::string_view entry_name) {
    return files.rmdir(caller, in, entry_name, wait);
  };
  serve(req, FuseOp::rmdir, kind_of(parent), call, NodeId{parent}, std::string_view(name));
}

void on_rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) noexcept {
  const auto call = [](FileSystem& files, const Caller& caller, Wait wait, NodeId from,
                       std::string_view from_name, NodeId to, std::string_view to_name,
                       unsigned how) {
    return files.rename(caller, from, from_name, to, to_name, how, wait);
  };
  serve(req, FuseOp::rename, kind_of(parent), call, NodeId{parent}, std::string_view(name),
        NodeId{new_parent}, std::string_view(new_name), flags);
}

void on_statfs(fuse_req_t req, fuse_ino_t node) noexcept {
  const auto call = [](FileSystem& files, const Caller&, Wait wait, NodeId of) {
    return files.statfs(of, wait);
  };
  serve(req, FuseOp::statfs, RequestKind::names, call, NodeId{node});
}

}  // namespace

void add_node_operations(fuse_lowlevel_ops& ops) {
  ops.lookup = on_lookup;
  ops.forget = on_forget;
  ops.forget_multi = on_forget_multi;
  ops.getattr = on_getattr;
  ops.setattr = on_setattr;
  ops.readlink = on_readlink;
  ops.mknod = on_mknod;
  ops.mkdir = on_mkdir;
  ops.symlink = on_symlink;
  ops.link = on_link;
  ops.unlink = on_unlink;
  ops.rmdir = on_rmdir;
  ops.rename = on_rename;
  ops.statfs = on_statfs;
}

}  // namespace vexfs
