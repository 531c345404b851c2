// SPDX-License-Identifier: Apache-2.0
// FileView: what search sees of the files. Names and parents come from the trees without any
// lock of a node, so search may ask for them inside the calls of ContentIndex.
#include <algorithm>
#include <vector>

#include "fs/file_content.h"
#include "fs/files_state.h"
#include "fs/inode_format.h"

namespace vexfs {

Result<FileFacts> Files::facts(Ino ino) {
  const NodeRef node = state_->nodes.pin(ino);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, Wait::allowed));
  const Inode& inode = node->inode;
  if (node->removed || (inode.links == 0 && node->opens.load() == 0))
    return fail(ENOENT, "files: the file is gone");
  return FileFacts{.mode = inode.mode,
                   .uid = inode.uid,
                   .gid = inode.gid,
                   .links = inode.links,
                   .size = inode.size,
                   .generation = inode.content,
                   .mtime = from_ns(inode.mtime_ns)};
}

Result<std::size_t> Files::read(Ino ino, std::uint64_t offset, MutableBytes into) {
  const NodeRef node = state_->nodes.pin(ino);
  VEXFS_TRY(const auto hold, ReadHold::take(state_->volume, *node, Wait::allowed));
  if (node->removed) return fail(ENOENT, "files: the file is gone");
  if (!node->inode.is_regular()) return fail(EINVAL, "files: read of no regular file");
  return read_content(*state_, *node, offset, into, Wait::allowed);
}

Result<> Files::write_back(Ino ino) {
  const NodeRef node = state_->nodes.find(ino);
  if (!node) return {};  // not in memory: nothing is dirty
  return state_->write_back.write_back(*node);
}

Result<Ino> Files::parent(Ino directory) {
  std::string record;
  VEXFS_CHECK(state_->volume.get(Tree::inode, ino_key(directory), record));
  VEXFS_TRY(const Inode inode, Inode::decode(as_bytes(record)));
  if (!inode.is_directory()) return fail(ENOTDIR, "files: parent of no directory");
  return inode.parent;
}

Result<Ino> Files::child(Ino directory, std::string_view name) {
  VEXFS_TRY(const Dentry entry, state_->directory(directory).find(name, Wait::allowed));
  return entry.ino;
}

Result<> Files::names(Ino ino, VisitName visit) {
  // `visit` may call the volume, so the names are collected first; a file has few of them.
  std::vector<std::pair<Ino, std::string>> all;
  VEXFS_CHECK(names_of(
      state_->volume, ino,
      [&](Ino parent, std::uint64_t, std::string_view name) {
        all.emplace_back(parent, name);
        return true;
      },
      Wait::allowed));
  for (const auto& [parent, name] : all)
    if (!visit(parent, name)) break;
  return {};
}

Result<> Files::children(Ino directory, VisitChild visit) {
  constexpr std::size_t kBatch = 256;
  struct Child {
    Dentry entry;
    std::string name;
  };
  std::vector<Child> batch;
  std::uint64_t after = 0;
  do {
    batch.clear();
    VEXFS_CHECK(state_->directory(directory).list(
        after,
        [&](const Dentry& entry, std::string_view name) {
          batch.push_back({entry, std::string(name)});
          return batch.size() < kBatch;
        },
        Wait::allowed));
    for (const Child& child : batch) {
      if (!visit(child.name, child.entry.ino, child.entry.type)) return {};
      after = child.entry.cookie;
    }
  } while (batch.size() == kBatch);
  return {};
}

bool Files::may_read(const Caller& caller, Ino file) {
  const NodeRef node = state_->nodes.pin(file);
  const auto hold = ReadHold::take(state_->volume, *node, Wait::allowed);
  return hold && !node->removed && state_->allows(caller, *node, S_IROTH);
}

bool Files::may_enter(const Caller& caller, Ino directory) {
  const NodeRef node = state_->nodes.pin(directory);
  const auto hold = ReadHold::take(state_->volume, *node, Wait::allowed);
  return hold && !node->removed && state_->allows(caller, *node, S_IXOTH);
}

}  // namespace vexfs
