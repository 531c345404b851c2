// SPDX-License-Identifier: Apache-2.0
#include "fs/acl.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/endian.h"

namespace vexfs {

namespace {

constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kNoId = 0xffff'ffff;

struct WireEntry {
  le16 tag, bits;
  le32 id;
};
static_assert(sizeof(WireEntry) == 8 && alignof(WireEntry) == 1);

}  // namespace

bool in_group(const Caller& caller, gid_t group) {
  return caller.gid == group || std::ranges::count(caller.groups, group) != 0;
}

Result<Acl> Acl::decode(Bytes attribute) {
  le32 version;
  if (attribute.size() < sizeof version || (attribute.size() - sizeof version) % sizeof(WireEntry))
    return fail(EINVAL, "acl: of a bad size");
  std::memcpy(&version, attribute.data(), sizeof version);
  if (version != kVersion) return fail(EINVAL, "acl: of no known version");
  Acl acl;
  for (Bytes rest = attribute.subspan(sizeof version); !rest.empty();
       rest = rest.subspan(sizeof(WireEntry))) {
    WireEntry wire;
    std::memcpy(&wire, rest.data(), sizeof wire);
    acl.entries_.push_back({Tag{std::uint16_t{wire.tag}}, wire.bits, wire.id});
  }
  VEXFS_CHECK(acl.check());
  return acl;
}

Result<> Acl::check() const {
  int owners = 0, groups = 0, others = 0, masks = 0, named = 0;
  std::pair<Tag, std::uint64_t> last{};
  for (const One& one : entries_) {
    const bool has_id = one.tag == Tag::user || one.tag == Tag::groups;
    const std::pair<Tag, std::uint64_t> place{one.tag, has_id ? std::uint64_t{one.id} + 1 : 1};
    if (place <= last || one.bits > 7) return fail(EINVAL, "acl: entries out of order");
    last = place;
    owners += one.tag == Tag::owner;
    groups += one.tag == Tag::group;
    others += one.tag == Tag::other;
    masks += one.tag == Tag::mask;
    named += has_id;
  }
  const std::size_t known = static_cast<std::size_t>(owners + groups + others + masks + named);
  if (owners != 1 || groups != 1 || others != 1 || (named != 0 && masks == 0) ||
      known != entries_.size())
    return fail(EINVAL, "acl: entries missing or unknown");
  return {};
}

std::string Acl::encode() const {
  const le32 version = kVersion;
  std::string out(as_text(bytes_of(version)));
  for (const One& one : entries_) {
    const bool has_id = one.tag == Tag::user || one.tag == Tag::groups;
    const WireEntry wire{
        .tag = std::to_underlying(one.tag), .bits = one.bits, .id = has_id ? one.id : kNoId};
    out += as_text(bytes_of(wire));
  }
  return out;
}

const Acl::One* Acl::find(Tag tag) const {
  const auto at = std::ranges::find(entries_, tag, &One::tag);
  return at == entries_.end() ? nullptr : &*at;
}

Acl::One* Acl::find(Tag tag) {
  return const_cast<One*>(std::as_const(*this).find(tag));
}

mode_t Acl::mode() const {
  const One* mask = find(Tag::mask);
  const One* group = mask != nullptr ? mask : find(Tag::group);
  return static_cast<mode_t>(find(Tag::owner)->bits << 6 | group->bits << 3 |
                             find(Tag::other)->bits);
}

void Acl::set_mode(mode_t mode) {
  One* mask = find(Tag::mask);
  One* group = mask != nullptr ? mask : find(Tag::group);
  find(Tag::owner)->bits = static_cast<std::uint16_t>(mode >> 6 & 7);
  group->bits = static_cast<std::uint16_t>(mode >> 3 & 7);
  find(Tag::other)->bits = static_cast<std::uint16_t>(mode & 7);
}

mode_t Acl::narrow(mode_t mode) {
  const mode_t both = this->mode() & mode & 0777;
  set_mode(both);
  return (mode & ~mode_t{0777}) | both;
}

bool Acl::allows(const Caller& caller, uid_t owner, gid_t group, unsigned bits) const {
  const auto grants = [bits](unsigned granted) { return (granted & bits) == bits; };
  const One* mask = find(Tag::mask);
  const unsigned most = mask != nullptr ? mask->bits : 7;
  if (caller.uid == owner) return grants(find(Tag::owner)->bits);
  bool member = false;
  for (const One& one : entries_) {
    if (one.tag == Tag::user && one.id == caller.uid) return grants(one.bits & most);
    const bool of_group = (one.tag == Tag::group && in_group(caller, group)) ||
                          (one.tag == Tag::groups && in_group(caller, one.id));
    if (!of_group) continue;
    if (grants(one.bits & most)) return true;
    member = true;  // a member of a listed group is none of the others
  }
  return !member && grants(find(Tag::other)->bits);
}

}  // namespace vexfs
