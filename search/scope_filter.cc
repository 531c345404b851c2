// SPDX-License-Identifier: Apache-2.0
#include "search/scope_filter.h"

#include <fnmatch.h>
#include <strings.h>

#include <vector>

#include "search/paths.h"

namespace vexfs {

namespace {

bool has_filters(const QuestionOptions& options) {
  return !options.name.empty() || !options.type.empty() || options.newer || options.older ||
         options.larger || options.smaller;
}

bool has_extension(std::string_view name, const std::string& extension) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view its = name.substr(dot + 1);
  return its.size() == extension.size() &&
         strncasecmp(its.data(), extension.data(), its.size()) == 0;
}

}  // namespace

ScopeFilter::ScopeFilter(FileView& files, std::set<Ino> roots, const Caller& caller, Ino scope,
                         const QuestionOptions& options)
    : files_(files),
      roots_(std::move(roots)),
      caller_(caller),
      scope_(scope),
      options_(options),
      unfiltered_(!has_filters(options) && roots_.contains(scope)) {}

const ScopeFilter::Directory& ScopeFilter::directory(Ino ino) {
  // Up to a directory that is known, then down again: each has what it has from its parent.
  std::vector<Ino> chain;
  Directory above{.in_scope = false, .reachable = true, .root = kRootIno};
  for (Ino at = ino;;) {
    if (const auto known = directories_.find(at); known != directories_.end()) {
      above = known->second;
      break;
    }
    chain.push_back(at);
    if (at == kRootIno) break;
    const auto parent = files_.parent(at);
    if (!parent || chain.size() > kDepthMax) {
      above = {};  // removed, or moved while we looked: out of every scope
      break;
    }
    at = *parent;
  }
  for (auto at = chain.rbegin(); at != chain.rend(); ++at) {
    Directory& own = directories_[*at];
    own.in_scope = above.in_scope || *at == scope_;
    own.reachable = above.reachable && files_.may_enter(caller_, *at);
    own.root = roots_.contains(*at) ? *at : above.root;
    above = own;
  }
  return directories_.find(ino)->second;
}

bool ScopeFilter::matches_name(std::string_view name) const {
  if (!options_.name.empty() && fnmatch(options_.name.c_str(), std::string(name).c_str(), 0) != 0)
    return false;
  return options_.type.empty() || has_extension(name, options_.type);
}

bool ScopeFilter::matches_facts(const FileFacts& facts) const {
  const std::int64_t mtime = facts.mtime.tv_sec;
  return (!options_.newer || mtime >= *options_.newer) &&
         (!options_.older || mtime < *options_.older) &&
         (!options_.larger || facts.size > *options_.larger) &&
         (!options_.smaller || facts.size < *options_.smaller);
}

const ScopeFilter::File& ScopeFilter::file(Ino ino) {
  const auto [at, fresh] = known_.try_emplace(ino);
  File& file = at->second;
  if (!fresh) return file;
  const auto facts = files_.facts(ino);
  if (!facts || !S_ISREG(facts->mode)) return file;
  file.facts = *facts;

  struct Name {
    Ino parent;
    std::string name;
  };
  std::vector<Name> names;  // taken first: no call is made from inside another one
  const auto listed = files_.names(ino, [&](Ino parent, std::string_view name) {
    names.push_back({.parent = parent, .name = std::string(name)});
    return true;
  });
  if (!listed) return file;
  for (Name& name : names) {
    const Directory& parent = directory(name.parent);
    if (&name == &names.front()) file.root = parent.root;
    if (!parent.in_scope) continue;
    file.in_scope = true;
    if (!parent.reachable || !matches_name(name.name)) continue;
    file.parent = name.parent;
    file.name = std::move(name.name);
    file.passes = matches_facts(file.facts) && files_.may_read(caller_, ino);
    break;
  }
  return file;
}

std::string ScopeFilter::path(const File& file) {
  std::string path = file.name;
  Ino at = file.parent;
  for (int depth = 0; at != scope_; ++depth) {
    std::string name;
    Ino parent{};
    const auto listed = files_.names(at, [&](Ino above, std::string_view its) {
      parent = above;
      name = its;
      return false;
    });
    if (!listed || name.empty() || depth > kDepthMax || at == kRootIno) return {};
    path.insert(0, name + "/");
    at = parent;
  }
  return path;
}

}  // namespace vexfs
