// SPDX-License-Identifier: Apache-2.0
// copy_file_range(2): copies that share blocks (`cp` asks for it by itself).
#include <algorithm>
#include <optional>

#include "fs/file_copy.h"
#include "fs/files_state.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kStepBytesMax = std::uint64_t{1} << 30;  // of one call
constexpr std::size_t kPagesMax = 1 << 20;                       // made dirty by one call

// Both files' Node::write_back, in the order of numbers.
struct BothHeld {
  std::optional<SerialHold> first, second;
  static Result<BothHeld> take(Node& a, Node& b) {
    BothHeld held;
    Node& low = a.ino < b.ino ? a : b;
    Node& high = a.ino < b.ino ? b : a;
    VEXFS_TRY(auto one, SerialHold::take(low, Wait::allowed));
    held.first.emplace(std::move(one));
    if (&low == &high) return held;
    VEXFS_TRY(auto two, SerialHold::take(high, Wait::allowed));
    held.second.emplace(std::move(two));
    return held;
  }
};

Result<> check_files(const CopyRange& range) {
  for (const Node* node : {&range.from, &range.to}) {
    if (node->removed) return fail(ENOENT, "files: copy of a removed file");
    if (node->inode.is_directory()) return fail(EISDIR, "files: copy of a directory");
    if (!node->inode.is_regular()) return fail(EINVAL, "files: copy of no regular file");
  }
  return {};
}

Result<> check_overlap(const CopyRange& range) {
  if (&range.from != &range.to) return {};
  const bool apart = range.from_offset + range.length <= range.to_offset ||
                     range.to_offset + range.length <= range.from_offset;
  if (!apart) return fail(EINVAL, "files: copy onto itself");
  return {};
}

}  // namespace

Result<std::uint64_t> Files::copy_range(const Caller& caller, NodeId from_id,
                                        std::uint64_t from_offset, NodeId to_id,
                                        std::uint64_t to_offset, std::uint64_t length, Wait wait) {
  VEXFS_CHECK(state_->writable());
  if (wait == Wait::never) return fail(EAGAIN, "files: copying waits");
  if (to_offset > kFileBytesMax || from_offset > kFileBytesMax)
    return fail(EFBIG, "files: file over 16 TiB");
  length = std::min(length, kFileBytesMax);
  const NodeRef from = state_->pin(from_id), to = state_->pin(to_id);
  VEXFS_CHECK(state_->write_back.make_room(*to, kPagesMax, wait));
  std::uint64_t copied = 0;
  {
    VEXFS_TRY(const auto serial, BothHeld::take(*from, *to));
    // So that there are blocks to share.
    VEXFS_CHECK(state_->write_back.write_back_held(*from));
    VEXFS_TRY(const auto hold, WriteHold::take(state_->volume, {from.get(), to.get()}, wait));
    CopyRange range{.from = *from,
                    .to = *to,
                    .from_offset = from_offset,
                    .to_offset = to_offset,
                    .length = length};
    VEXFS_CHECK(check_files(range));
    if (from_offset >= from->inode.size) return 0;
    range.length = std::min(length, from->inode.size - from_offset);
    VEXFS_CHECK(check_overlap(range));
    if (range.length == 0) return 0;
    if (range.length > kFileBytesMax - to_offset) return fail(EFBIG, "files: file over 16 TiB");
    range.length = std::min(range.length, kStepBytesMax);
    VEXFS_CHECK(state_->drop_capability(*to, wait));
    const auto done = copy_content(*state_, range);
    drop_set_id(caller, to->inode);
    state_->touch_content(*to);
    state_->mark_stale(to);
    VEXFS_TRY(copied, done);
  }
  state_->note_access(from);
  state_->index.changed(to->ino);
  return copied;
}

}  // namespace vexfs
