// SPDX-License-Identifier: Apache-2.0
#include "search/paths.h"

#include <optional>
#include <vector>

namespace vexfs {

namespace {

struct Step {
  Ino parent{};
  std::string name;
};

// Directories have one name, and files mostly; all of a file's names are tried in turn.
std::vector<Step> names_of(FileView& files, Ino ino) {
  std::vector<Step> steps;
  const auto listed = files.names(ino, [&](Ino parent, std::string_view name) {
    steps.push_back({.parent = parent, .name = std::string(name)});
    return true;
  });
  if (!listed) steps.clear();
  return steps;
}

std::optional<std::string> directory_below(FileView& files, Ino directory, Ino scope) {
  std::string path;
  for (int depth = 0; depth < kDepthMax && directory != scope; ++depth) {
    if (directory == kRootIno) return std::nullopt;
    const std::vector<Step> steps = names_of(files, directory);
    if (steps.empty()) return std::nullopt;
    path.insert(0, steps.front().name + "/");
    directory = steps.front().parent;
  }
  if (directory != scope) return std::nullopt;
  return path;
}

}  // namespace

Result<std::string> path_below(FileView& files, Ino ino, Ino scope) {
  if (ino == scope) return ".";
  for (const Step& step : names_of(files, ino))
    if (const auto above = directory_below(files, step.parent, scope)) return *above + step.name;
  return fail(ENOENT, "paths: not below this directory");
}

bool may_reach(FileView& files, const Caller& caller, Ino directory) {
  if (caller.uid == 0) return true;
  for (int depth = 0; depth < kDepthMax; ++depth) {
    if (!files.may_enter(caller, directory)) return false;
    if (directory == kRootIno) return true;
    const auto parent = files.parent(directory);
    if (!parent) return false;
    directory = *parent;
  }
  return false;
}

bool may_find(FileView& files, const Caller& caller, Ino file) {
  if (!files.may_read(caller, file)) return false;
  for (const Step& step : names_of(files, file))
    if (may_reach(files, caller, step.parent)) return true;
  return false;
}

}  // namespace vexfs
