// SPDX-License-Identifier: Apache-2.0
// The nodes of `.vexfs`: their names, attributes and descriptors.
#include "fs/hidden.h"

#include <sys/stat.h>

#include <array>
#include <optional>

#include "base/clock.h"
#include "fs/files.h"
#include "search/engine.h"
#include "search/paths.h"

namespace vexfs {

using Kind = HiddenNode::Kind;

namespace {

struct FixedName {
  std::string_view name;
  Kind kind;
  mode_t mode;
  bool root_only;  // of the volume's root directory only
};
constexpr std::array kFixedNames = {
    FixedName{"search", Kind::search_root, S_IFDIR | 0555, false},
    FixedName{"similar", Kind::similar_root, S_IFDIR | 0555, false},
    FixedName{"query", Kind::query, S_IFREG | 0666, false},
    FixedName{"status", Kind::status, S_IFREG | 0444, false},
    FixedName{"README", Kind::readme, S_IFREG | 0444, true},
    FixedName{"errors", Kind::errors, S_IFREG | 0444, true},
    FixedName{"metrics", Kind::metrics, S_IFREG | 0444, true},
    FixedName{"stats", Kind::stats, S_IFREG | 0444, true},
    FixedName{"control", Kind::control, S_IFREG | 0600, true},
    FixedName{"commit", Kind::commit, S_IFREG | 0444, true},
};
constexpr std::string_view kResultsName = "results.jsonl";

mode_t mode_of(const HiddenNode& node) {
  if (node.kind == Kind::result) return S_IFLNK | 0777;
  if (node.kind == Kind::results_json) return S_IFREG | 0444;
  for (const FixedName& fixed : kFixedNames)
    if (fixed.kind == node.kind) return fixed.mode;
  return S_IFDIR | 0555;
}

// What programs look for in every directory by habit is no question.
bool is_habit(std::string_view name) {
  constexpr std::string_view kHabits[] = {
      ".git", ".hidden", ".DS_Store",  ".Trash",           ".vexfs",
      ".hg",  ".svn",    ".directory", ".xdg-volume-info", "autorun.inf"};
  for (std::string_view habit : kHabits)
    if (name == habit) return true;
  return name.ends_with('~') || name.starts_with(".Trash-") || name.starts_with("._");
}

// %2F and %25 only: everything else in a question is verbatim.
std::string decode_question(std::string_view name) {
  std::string question;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const std::string_view code = name.substr(i, 3);
    if (code == "%2F" || code == "%2f" || code == "%25") {
      question.push_back(code == "%25" ? '%' : '/');
      i += 2;
    } else {
      question.push_back(name[i]);
    }
  }
  return question;
}

HiddenNode child_of(const HiddenNode& parent, Kind kind) {
  return {.kind = kind, .directory = parent.directory, .uid = parent.uid, .gid = parent.gid};
}

struct stat attr_of(NodeId id, const HiddenNode& node) {
  struct stat attr{};
  attr.st_ino = id;
  attr.st_mode = mode_of(node);
  attr.st_nlink = node.is_directory() ? 2 : 1;
  attr.st_uid = node.uid;
  attr.st_gid = node.gid;
  attr.st_blksize = kBlockBytes;
  attr.st_size = static_cast<off_t>(node.target.size());
  attr.st_mtim = node.kind == Kind::result ? node.mtime : wall_clock();
  attr.st_atim = attr.st_ctim = attr.st_mtim;
  return attr;
}

}  // namespace

Result<HiddenNodeRef> Hidden::node_of(NodeId id) const {
  HiddenNodeRef node = nodes_.find(id);
  if (!node) return fail(ESTALE, "hidden: node is not held");
  return node;
}

Entry Hidden::entry_of(HiddenNode node) {
  Entry entry{.entry_seconds = 0, .attr_seconds = 0};
  entry.node = nodes_.look_up(std::move(node));
  entry.generation = 1;
  entry.attr = attr_of(entry.node, *nodes_.find(entry.node));  // held by this lookup
  return entry;
}

Result<Entry> Hidden::lookup_root(Ino directory, Wait wait) {
  if (wait == Wait::never) return fail(EAGAIN, "hidden: asks files");
  VEXFS_TRY(const FileFacts facts, files_.facts(directory));
  if (!S_ISDIR(facts.mode)) return fail(ENOTDIR, "hidden: only directories have one");
  return entry_of({.kind = Kind::root, .directory = directory, .uid = facts.uid, .gid = facts.gid});
}

Result<Entry> Hidden::lookup(const Caller& caller, NodeId parent, std::string_view name,
                             Wait wait) {
  if (name.size() > kNameBytesMax) return fail(ENAMETOOLONG, "hidden: a name has 255 bytes");
  VEXFS_TRY(const HiddenNodeRef node, node_of(parent));
  if (node->kind == Kind::root && name == "..") return fail(ENOENT, "hidden: no parent by name");
  if (name == ".") return entry_of(*node);
  switch (node->kind) {
    case Kind::root:
      return lookup_fixed(*node, name);
    case Kind::search_root:
      return lookup_question(*node, name);
    case Kind::similar_root:
      if (wait == Wait::never) return fail(EAGAIN, "hidden: asks files");
      return lookup_similar(caller, *node, name);
    case Kind::answer:
      if (wait == Wait::never) return fail(EAGAIN, "hidden: may search");
      return lookup_result(caller, *node, name);
    default:
      return fail(ENOTDIR, "hidden: not a directory");
  }
}

Result<Entry> Hidden::lookup_fixed(const HiddenNode& root, std::string_view name) {
  for (const FixedName& fixed : kFixedNames)
    if (name == fixed.name && (!fixed.root_only || root.directory == kRootIno))
      return entry_of(child_of(root, fixed.kind));
  for (const FixedName& fixed : {kFixedNames[0], kFixedNames[1]}) {
    if (!name.starts_with(fixed.name) || name.substr(fixed.name.size(), 1) != ".") continue;
    HiddenNode node = child_of(root, fixed.kind);
    node.options = name.substr(fixed.name.size() + 1);
    VEXFS_CHECK(parse_options(node.options));  // never a different search
    return entry_of(std::move(node));
  }
  return fail(ENOENT, "hidden: no such name");
}

Result<Entry> Hidden::lookup_question(const HiddenNode& parent, std::string_view name) {
  if (name.empty() || is_habit(name)) return fail(ENOENT, "hidden: not a question");
  HiddenNode node = child_of(parent, Kind::answer);
  node.options = parent.options;
  node.question = decode_question(name);
  return entry_of(std::move(node));
}

Result<Entry> Hidden::lookup_similar(const Caller& caller, const HiddenNode& parent,
                                     std::string_view name) {
  VEXFS_TRY(const Entry file,
            files_.lookup(caller, std::to_underlying(parent.directory), name, Wait::allowed));
  files_.forget(file.node, 1);
  if (!S_ISREG(file.attr.st_mode)) return fail(ENOENT, "hidden: only files have neighbours");
  if (!files_.may_read(caller, Ino{file.node})) return fail(EACCES, "hidden: may not read it");
  HiddenNode node = child_of(parent, Kind::answer);
  node.options = parent.options;
  node.similar_to = Ino{file.node};
  return entry_of(std::move(node));
}

Result<Entry> Hidden::lookup_result(const Caller& caller, const HiddenNode& answer,
                                    std::string_view name) {
  if (name == kResultsName) {
    HiddenNode node = answer;
    node.kind = Kind::results_json;
    return entry_of(std::move(node));
  }
  const bool numbered = !name.empty() && name.front() >= '0' && name.front() <= '9';
  if (!numbered) return fail(ENOENT, "hidden: no such result");
  VEXFS_TRY(const Listings::Ref listing, listing_of(caller, answer));
  const ListingEntry* entry = listing->find(name);
  if (entry == nullptr) return fail(ENOENT, "hidden: no such result");
  HiddenNode node = child_of(answer, Kind::result);
  node.target = entry->target;
  node.mtime = entry->mtime;
  if (entry->ino != Ino{}) {  // the file may have moved, or be forbidden by now
    if (!may_find(files_, caller, entry->ino)) return fail(ENOENT, "hidden: result is gone");
    VEXFS_TRY(const std::string path, path_below(files_, entry->ino, answer.directory));
    node.target = "../../../" + path;
  }
  return entry_of(std::move(node));
}

Result<Attributes> Hidden::getattr(NodeId node) const {
  VEXFS_TRY(const HiddenNodeRef found, node_of(node));
  return Attributes{.attr = attr_of(node, *found), .attr_seconds = 0};
}

Result<std::string> Hidden::readlink(NodeId node) const {
  VEXFS_TRY(const HiddenNodeRef found, node_of(node));
  if (found->kind != Kind::result) return fail(EINVAL, "hidden: not a symlink");
  return found->target;
}

Result<Hidden::HandleRef> Hidden::handle_of(std::uint64_t handle) const {
  Lock lock(handles_mutex_);
  const auto found = handles_.find(handle);
  if (found == handles_.end()) return fail(EBADF, "hidden: no such descriptor");
  return found->second;
}

std::uint64_t Hidden::keep(HandleRef handle) {
  Lock lock(handles_mutex_);
  handles_.emplace(next_handle_, std::move(handle));
  return next_handle_++;
}

void Hidden::release(std::uint64_t handle) {
  Lock lock(handles_mutex_);
  handles_.erase(handle);
}

Result<> Hidden::readdir(std::uint64_t handle, std::uint64_t after, bool plus, EmitEntry emit) {
  VEXFS_TRY(const HandleRef open, handle_of(handle));
  const HiddenNode& node = *open->node;
  std::uint64_t cookie = 0;
  // False: the caller's buffer is full.
  const auto offer = [&](std::string_view name, std::optional<HiddenNode> child) {
    if (++cookie <= after) return true;
    DirectoryEntry out{.name = name, .node = kHiddenBit, .mode = S_IFDIR, .next = cookie};
    Entry entry;
    if (child) {
      out.mode = mode_of(*child) & S_IFMT;
      if (plus) {
        entry = entry_of(*std::move(child));
        out.entry = &entry;
        out.node = entry.node;
      }
    }
    if (emit(out)) return true;
    if (out.entry != nullptr) nodes_.forget(entry.node, 1);
    return false;
  };
  if (!offer(".", std::nullopt) || !offer("..", std::nullopt)) return {};
  if (node.kind == Kind::root) {
    for (const FixedName& fixed : kFixedNames)
      if (!fixed.root_only || node.directory == kRootIno)
        if (!offer(fixed.name, child_of(node, fixed.kind))) return {};
  } else if (open->listing) {
    for (const ListingEntry& entry : open->listing->entries) {
      HiddenNode child = child_of(node, Kind::result);
      child.target = entry.target;
      child.mtime = entry.mtime;
      if (!offer(entry.name, std::move(child))) return {};
    }
  }
  return {};
}

}  // namespace vexfs
