// SPDX-License-Identifier: Apache-2.0
// Acl: a POSIX access control list (acl(5), POSIX 1003.1e draft 17) as a value: to and from an
// attribute, and how it meets a mode.
//
//   attribute: version le32 = 2, then entries of 8 bytes: tag le16, permissions le16, id le32
//
// Always: entries in the order of their tags, users and groups by rising id; owner, group and
// others once each; a mask when there is a named user or group.
// Threads: a value.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/caller.h"
#include "base/result.h"

namespace vexfs {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";
inline bool is_acl_name(std::string_view name) {
  return name == kAccessAclName || name == kDefaultAclName;
}

bool in_group(const Caller& caller, gid_t group);

class Acl {
 public:
  // EINVAL for what is no list.
  static Result<Acl> decode(Bytes attribute);
  std::string encode() const;

  // The nine permission bits that stand for it: the group's are the mask's where there is one.
  mode_t mode() const;
  bool is_only_a_mode() const { return entries_.size() == 3; }
  // chmod: owner, mask (or group) and others become those of the mode.
  void set_mode(mode_t mode);
  // A default list becomes the access list of a new file that was asked for with `mode`: nobody
  // gets more than that. Returns the new file's mode.
  mode_t narrow(mode_t mode);
  // Whether all of `bits` (4 read, 2 write, 1 enter) are granted; owner and group are the file's.
  bool allows(const Caller& caller, uid_t owner, gid_t group, unsigned bits) const;

 private:
  enum class Tag : std::uint16_t {
    owner = 1,
    user = 2,
    group = 4,
    groups = 8,
    mask = 16,
    other = 32
  };
  struct One {
    Tag tag;
    std::uint16_t bits;
    std::uint32_t id;
  };
  Result<> check() const;
  const One* find(Tag tag) const;
  One* find(Tag tag);
  std::vector<One> entries_;
};

}  // namespace vexfs
