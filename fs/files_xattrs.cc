// SPDX-License-Identifier: Apache-2.0
// Extended attributes of ordinary nodes, and the vector that a user sets.
#include <algorithm>
#include <cstring>
#include <vector>

#include "fs/acl.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"
#include "fs/xattrs.h"

namespace vexfs {

namespace {

constexpr std::string_view kVectorName = "user.vexfs.vector";
constexpr std::string_view kOwnPrefix = "user.vexfs.";
constexpr std::string_view kSecurity = "security.", kCapability = "security.capability";

Result<> check_name(std::string_view name) {
  if (name.size() > kNameBytesMax) return fail(ERANGE, "files: attribute name over 255 bytes");
  for (const std::string_view space : {"user.", "trusted.", "security."})
    if (name.starts_with(space))
      return name.size() > space.size() ? Result<>{} : fail(EINVAL, "files: no attribute name");
  if (is_acl_name(name)) return {};
  return fail(EOPNOTSUPP, "files: attribute namespace");
}

Result<> check_settable(std::string_view name) {
  VEXFS_CHECK(check_name(name));
  if (name.starts_with(kOwnPrefix)) return fail(EPERM, "files: user.vexfs.* is the daemon's");
  return {};
}

// The flag of an inode that has an attribute of this name; 0: none is kept.
std::uint32_t flag_of(std::string_view name) {
  if (name == kCapability) return kInodeCapability;
  if (name == kAccessAclName) return kInodeAccessAcl;
  if (name == kDefaultAclName) return kInodeDefaultAcl;
  return name.starts_with(kSecurity) ? kInodeSecurity : 0;
}

Result<std::vector<float>> to_floats(Bytes vector) {
  if (vector.empty() || vector.size() % sizeof(float) != 0)
    return fail(EINVAL, "files: vector is no whole number of float32");
  std::vector<float> floats(vector.size() / sizeof(float));
  for (std::size_t i = 0; i < floats.size(); ++i) {
    le32 bits;
    std::memcpy(&bits, vector.data() + i * sizeof bits, sizeof bits);
    floats[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  }
  return floats;
}

}  // namespace

Result<> FilesState::put_attribute(Change& change, Node& node, std::string_view name, Bytes value,
                                   int flags, Wait wait) {
  if (node.removed) return fail(ENOENT, "files: attribute of a removed file");
  if (value.size() > kXattrBytesMax) return fail(E2BIG, "files: attribute over 64 KiB");
  VEXFS_TRY(const bool added,
            put_xattr(volume, change.transaction, node.ino, name, value, flags, wait));
  Inode& next = change.edit(node);
  next.ctime_ns = now_ns();
  next.flags |= flag_of(name);
  if (!added) return {};
  next.xattr_bytes += static_cast<std::uint32_t>(name.size() + 1);
  // listxattr(2) cannot answer more.
  if (next.xattr_bytes > kXattrBytesMax) return fail(ENOSPC, "files: attribute names over 64 KiB");
  return {};
}

Result<> FilesState::erase_attribute(Change& change, Node& node, std::string_view name, Wait wait) {
  if (node.inode.xattr_bytes == 0 || node.removed) return fail(ENODATA, "files: no such attribute");
  VEXFS_CHECK(erase_xattr(volume, change.transaction, node.ino, name, wait));
  Inode& next = change.edit(node);
  next.ctime_ns = now_ns();
  next.xattr_bytes -= static_cast<std::uint32_t>(name.size() + 1);
  // Of other names of security.* one may be left.
  if (flag_of(name) != kInodeSecurity) next.flags &= ~flag_of(name);
  return {};
}

Result<> Files::setxattr(const Caller& caller, NodeId id, std::string_view name, Bytes value,
                         int flags, Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_CHECK(check_settable(name));
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, *node, wait));
  Change change(state_->volume);
  VEXFS_CHECK(is_acl_name(name) ? state_->set_acl(change, *node, name, value, caller, wait)
                                : state_->put_attribute(change, *node, name, value, flags, wait));
  return change.commit({.wait = wait});
}

Result<std::string> Files::getxattr(const Caller&, NodeId id, std::string_view name, Wait wait) {
  VEXFS_CHECK(check_name(name));
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
  // The kernel asks for security.* at each exec: most files have nothing to look for.
  const std::uint32_t flag = flag_of(name);
  if (node->inode.xattr_bytes == 0 || node->removed || (flag != 0 && !node->inode.has(flag)))
    return fail(ENODATA, "files: no such attribute");
  return get_xattr(state_->volume, node->ino, name, wait);
}

Result<std::string> Files::listxattr(const Caller&, NodeId id, Wait wait) {
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, wait));
  if (node->inode.xattr_bytes == 0 || node->removed) return std::string();
  VEXFS_TRY(std::string names, list_xattrs(state_->volume, node->ino, wait));
  if (state_->options.acl || !(node->inode.has(kInodeAccessAcl | kInodeDefaultAcl))) return names;
  for (const std::string_view hidden : {kAccessAclName, kDefaultAclName})
    if (const auto at = names.find(hidden); at != names.npos) names.erase(at, hidden.size() + 1);
  return names;
}

Result<> Files::removexattr(const Caller&, NodeId id, std::string_view name, Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_CHECK(check_settable(name));
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, *node, wait));
  Change change(state_->volume);
  // A list that is not there can be removed: setfacl -b does so without asking.
  if (is_acl_name(name) && !node->inode.has(flag_of(name))) return {};
  VEXFS_CHECK(state_->erase_attribute(change, *node, name, wait));
  return change.commit({.wait = wait, .freeing = true});
}

Result<> FilesState::drop_capability(Change& change, Node& node, Wait wait) {
  if (!node.inode.has(kInodeCapability)) return {};
  return erase_attribute(change, node, kCapability, wait);
}

Result<> FilesState::drop_capability(Node& node, Wait wait) {
  if (!node.inode.has(kInodeCapability)) return {};
  Change change(volume);
  VEXFS_CHECK(drop_capability(change, node, wait));
  return change.commit({.wait = wait, .freeing = true});
}

Result<> Files::set_user_vector(const Caller&, NodeId id, Bytes vector, int flags, Wait wait) {
  VEXFS_CHECK(state_->writable());
  VEXFS_TRY(const auto floats, to_floats(vector));
  VEXFS_CHECK(state_->index.check_vector(ino_of(id), floats));
  const NodeRef node = state_->pin(id);
  // The index hears of vectors in the order of their transactions.
  VEXFS_TRY(const auto serial, SerialHold::take(*node, wait));
  {
    VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, *node, wait));
    if (!node->inode.is_regular()) return fail(EPERM, "files: vector of no regular file");
    Change change(state_->volume);
    VEXFS_CHECK(state_->put_attribute(change, *node, kVectorName, vector, flags, wait));
    state_->index.log_vector(change.transaction, node->ino);
    VEXFS_CHECK(change.commit({.wait = wait}));
  }
  state_->index.vector_set(node->ino, floats);
  return {};
}

Result<> Files::remove_user_vector(const Caller&, NodeId id, Wait wait) {
  VEXFS_CHECK(state_->writable());
  const NodeRef node = state_->pin(id);
  VEXFS_TRY(const auto serial, SerialHold::take(*node, wait));
  {
    VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, *node, wait));
    Change change(state_->volume);
    VEXFS_CHECK(state_->erase_attribute(change, *node, kVectorName, wait));
    state_->index.log_vector(change.transaction, node->ino);
    VEXFS_CHECK(change.commit({.wait = wait, .freeing = true}));
  }
  state_->index.vector_set(node->ino, {});
  return {};
}

Result<std::string> Files::user_vector(Ino ino) {
  return getxattr({}, id_of(ino), kVectorName, Wait::allowed);
}

}  // namespace vexfs
