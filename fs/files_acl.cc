// SPDX-License-Identifier: Apache-2.0
// Access control lists of ordinary nodes: kept as attributes, in step with the mode. On a mount
// without -o acl they are neither obeyed nor changed.
#include "fs/acl.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"
#include "fs/xattrs.h"

namespace vexfs {

namespace {

Result<Acl> load(FilesState& state, const Node& node, std::string_view name, Wait wait) {
  VEXFS_TRY(const std::string value, get_xattr(state.volume, node.ino, name, wait));
  auto acl = Acl::decode(as_bytes(value));
  return acl ? std::move(acl) : fail(EUCLEAN, "files: a stored access list is damaged");
}

}  // namespace

Result<> FilesState::inherit_acl(Change& change, const Node& parent, Node& node,
                                 const Caller& caller, Wait wait) {
  Inode& inode = change.edit(node);
  if (!options.acl || S_ISLNK(inode.mode)) return {};
  if (!parent.inode.has(kInodeDefaultAcl)) {
    inode.mode &= ~(caller.umask & 0777);
    return {};
  }
  VEXFS_TRY(Acl acl, load(*this, parent, kDefaultAclName, wait));
  if (inode.is_directory())
    VEXFS_CHECK(put_attribute(change, node, kDefaultAclName, as_bytes(acl.encode()), 0, wait));
  inode.mode = acl.narrow(inode.mode);
  if (acl.is_only_a_mode()) return {};
  return put_attribute(change, node, kAccessAclName, as_bytes(acl.encode()), 0, wait);
}

Result<> FilesState::set_acl(Change& change, Node& node, std::string_view name, Bytes value,
                             const Caller& caller, Wait wait) {
  VEXFS_TRY(const Acl acl, Acl::decode(value));
  if (name == kDefaultAclName) {
    if (!node.inode.is_directory()) return fail(EACCES, "files: default list of no directory");
    return put_attribute(change, node, name, value, 0, wait);
  }
  Inode& inode = change.edit(node);
  inode.mode = (inode.mode & ~mode_t{0777}) | acl.mode();
  if (caller.uid != 0 && !in_group(caller, inode.gid)) inode.mode &= ~mode_t{S_ISGID};
  inode.ctime_ns = now_ns();
  if (!acl.is_only_a_mode()) return put_attribute(change, node, name, value, 0, wait);
  if (!node.inode.has(kInodeAccessAcl)) return {};
  return erase_attribute(change, node, name, wait);
}

Result<> FilesState::chmod_acl(Change& change, Node& node, Wait wait) {
  if (!options.acl || !node.inode.has(kInodeAccessAcl)) return {};
  VEXFS_TRY(Acl acl, load(*this, node, kAccessAclName, wait));
  acl.set_mode(change.edit(node).mode);
  return put_attribute(change, node, kAccessAclName, as_bytes(acl.encode()), 0, wait);
}

bool FilesState::allows(const Caller& caller, const Node& node, unsigned bits) {
  const Inode& inode = node.inode;
  if (caller.uid == 0) return (bits & 1) == 0 || inode.is_directory() || (inode.mode & 0111) != 0;
  if (options.acl && inode.has(kInodeAccessAcl)) {
    const auto acl = load(*this, node, kAccessAclName, Wait::allowed);
    return acl && acl->allows(caller, inode.uid, inode.gid, bits);
  }
  const unsigned shift = caller.uid == inode.uid ? 6 : in_group(caller, inode.gid) ? 3 : 0;
  return (inode.mode >> shift & bits) == bits;
}

}  // namespace vexfs
