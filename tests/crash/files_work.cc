// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/files_work.h"

#include <algorithm>

#include "base/mutex.h"
#include "base/text.h"

namespace vexfs {

namespace {

constexpr Wait kWait = Wait::allowed;

// Runs what answers through a callback, and waits for it.
template <class Ask>
Result<> wait_for(Ask ask) {
  Mutex mutex;
  CondVar answered;
  bool done = false;
  Result<> result;
  ask([&](Result<> outcome) {
    Lock lock(mutex);
    result = outcome;
    done = true;
    answered.notify_all();
  });
  Lock lock(mutex);
  while (!done) answered.wait(mutex);
  return result;
}

}  // namespace

std::string OpenFiles::open(std::unique_ptr<BlockDevice> device, const Around& around) {
  std::string fault = open_volume(std::move(device), {.cache_bytes = std::size_t{4} << 20});
  if (fault.empty() && around) volume = around(std::move(volume));
  return fault.empty() ? open_files() : fault;
}

std::string OpenFiles::open_volume(std::unique_ptr<BlockDevice> device,
                                   const VolumeOptions& options) {
  auto opened = Volume::open(std::move(device), options);
  if (!opened) return format("open: {}", opened.error().what);
  volume = std::move(*opened);
  came_back_at = last_lsn();
  return volume->read_only() ? "read-only" : "";
}

std::string OpenFiles::open_files() {
  auto made = Files::open(*volume, index_, {.commit_seconds = 3600, .compression = compression_});
  if (!made) return format("files: {}", made.error().what);
  files = std::move(*made);
  return {};
}

OpenFiles::~OpenFiles() {
  files.reset();
}

Result<std::string> OpenFiles::facts_of(NodeId node) {
  VEXFS_TRY(const Attributes attributes, files->getattr(caller, node, kWait));
  const struct stat& stat = attributes.attr;
  std::string facts = format("{} {:o} {} {}", node, stat.st_mode, stat.st_nlink, stat.st_uid);
  if (S_ISLNK(stat.st_mode)) {
    VEXFS_TRY(const std::string target, files->readlink(caller, node, kWait));
    facts += " -> " + target;
  }
  VEXFS_TRY(const std::string attribute_names, files->listxattr(caller, node, kWait));
  std::vector<std::string> all;
  for (std::string_view rest = attribute_names; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(name.size() + 1);
    VEXFS_TRY(const std::string value, files->getxattr(caller, node, name, kWait));
    all.push_back(format(" {}={}", name, value));
  }
  std::ranges::sort(all);
  for (const std::string& each : all) facts += each;
  return facts;
}

Result<> OpenFiles::list(NodeId directory, const std::string& path, std::vector<Named>& into) {
  std::vector<std::string> names;
  VEXFS_CHECK(files->readdir(
      caller, directory, 0, 0, false,
      [&](const DirectoryEntry& entry) {
        if (entry.name != "." && entry.name != ".." && entry.name != kFiller)
          names.emplace_back(entry.name);
        return true;
      },
      kWait));
  std::ranges::sort(names);
  for (const std::string& name : names) {
    VEXFS_TRY(const Entry entry, files->lookup(caller, directory, name, kWait));
    Named named{.parent = directory,
                .node = entry.node,
                .name = name,
                .path = path + "/" + name,
                .type = entry.attr.st_mode & S_IFMT,
                .facts = {}};
    auto facts = facts_of(entry.node);
    if (facts) named.facts = *facts;
    files->forget(entry.node, 1);
    if (!facts) return std::unexpected(facts.error());
    into.push_back(named);
    if (named.type == S_IFDIR) VEXFS_CHECK(list(named.node, named.path, into));
  }
  return {};
}

Result<std::vector<OpenFiles::Named>> OpenFiles::names() {
  std::vector<Named> all;
  VEXFS_CHECK(list(kRootNode, {}, all));
  return all;
}

std::string OpenFiles::text_of(const std::vector<Named>& names) {
  std::string text;
  for (const Named& each : names) text += each.path + " " + each.facts + "\n";
  return text;
}

Result<std::string> OpenFiles::content(NodeId node) {
  VEXFS_TRY(const Attributes attributes, files->getattr(caller, node, kWait));
  std::string content(static_cast<std::size_t>(attributes.attr.st_size), '?');
  VEXFS_TRY(const std::size_t got,
            files->read(caller, node, 0, 0, std::as_writable_bytes(std::span(content)), kWait));
  content.resize(got);
  return content;
}

Result<> OpenFiles::fsync(NodeId node) {
  return wait_for([&](Files::Done done) { files->fsync(caller, node, 0, false, std::move(done)); });
}

Result<> OpenFiles::fsync_directory(NodeId node) {
  return wait_for(
      [&](Files::Done done) { files->fsyncdir(caller, node, 0, false, std::move(done)); });
}

Result<> OpenFiles::sync_all() {
  return wait_for([&](Files::Done done) { files->sync_all(std::move(done)); });
}

Result<> OpenFiles::truncate(NodeId node, std::uint64_t size) {
  SetAttr set;
  set.size = true;
  set.attr.st_size = static_cast<off_t>(size);
  VEXFS_TRY([[maybe_unused]] const auto attributes, files->setattr(caller, node, set, kWait));
  return {};
}

// Files before the directories that hold them.
Result<> OpenFiles::remove_all() {
  VEXFS_TRY(const auto all, names());
  for (auto named = all.rbegin(); named != all.rend(); ++named)
    VEXFS_CHECK(named->type == S_IFDIR ? files->rmdir(caller, named->parent, named->name, kWait)
                                       : files->unlink(caller, named->parent, named->name, kWait));
  const auto filler = files->unlink(caller, kRootNode, kFiller, kWait);
  return filler || filler.error().code == ENOENT ? Result<>() : filler;
}

}  // namespace vexfs
