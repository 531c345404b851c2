// SPDX-License-Identifier: Apache-2.0
#include "search/exclusion.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "search/paths.h"
#include "search/space_format.h"

namespace vexfs {

namespace {

// Directories of tools, and text that machines made for machines.
constexpr std::string_view kDefaults =
    ".git/\n.hg/\n.svn/\nnode_modules/\n__pycache__/\ntarget/\n.venv/\n"
    "*.min.js\n*.min.css\n*.min.mjs\n*.js.map\n*.css.map\n";
constexpr std::size_t kParsedMax = 4096;

const IgnoreRules& defaults() {
  static const IgnoreRules rules(kDefaults);
  return rules;
}

}  // namespace

Result<> Exclusion::open() {
  std::map<Ino, RuleFile> found;
  const Key to = Key().u8('i' + 1);
  VEXFS_CHECK(volume_.scan(Tree::chunk, search_key::rules(Ino{0}), to, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u8();
    const Ino file{reader.u64()};
    RuleFileRecord record;
    if (read_record(value, record))
      found[file] = {.directory = Ino{static_cast<std::uint64_t>(record.directory)},
                     .generation = record.generation};
    return true;
  }));
  Lock lock(mutex_);
  obeyed_ = std::move(found);
  return {};
}

std::optional<Exclusion::RuleFile> Exclusion::obeyed(Ino file) const {
  Lock lock(mutex_);
  const auto found = obeyed_.find(file);
  return found == obeyed_.end() ? std::nullopt : std::optional(found->second);
}

Result<> Exclusion::put_obeyed(Ino file, std::optional<RuleFile> rules) {
  if (obeyed(file) == rules) return {};
  Transaction transaction;
  if (rules)
    transaction.put(
        Tree::chunk, search_key::rules(file),
        bytes_of(RuleFileRecord{.version = kSearchRecordVersion,
                                .reserved = {},
                                .directory = static_cast<std::uint64_t>(rules->directory),
                                .generation = rules->generation}));
  else
    transaction.erase(Tree::chunk, search_key::rules(file));
  VEXFS_CHECK(volume_.commit(transaction, {.freeing = !rules}));
  Lock lock(mutex_);
  if (rules)
    obeyed_[file] = *rules;
  else
    obeyed_.erase(file);
  return {};
}

std::shared_ptr<const IgnoreRules> Exclusion::rules_of(FileView& files, Ino directory) {
  const auto file = files.child(directory, kIgnoreFileName);
  const auto facts = file ? files.facts(*file) : std::unexpected(file.error());
  if (!facts || !S_ISREG(facts->mode)) {
    Lock lock(mutex_);
    parsed_.erase(directory);
    return nullptr;
  }
  {
    Lock lock(mutex_);
    const auto found = parsed_.find(directory);
    if (found != parsed_.end() && found->second.file == *file &&
        found->second.generation == facts->generation)
      return found->second.rules;
  }
  std::string text(std::min<std::uint64_t>(facts->size, kIgnoreBytesMax), '\0');
  const auto got = files.read(*file, 0, std::as_writable_bytes(std::span(text)));
  if (!got) return nullptr;  // it went meanwhile, which is looked at again
  text.resize(*got);
  auto rules = std::make_shared<const IgnoreRules>(text);
  Lock lock(mutex_);
  if (parsed_.size() >= kParsedMax) parsed_.clear();
  parsed_[directory] = {.file = *file, .generation = facts->generation, .rules = rules};
  return rules;
}

// From the volume's root down to `parent`.
std::vector<Exclusion::Level> Exclusion::levels_above(FileView& files, Ino parent) {
  std::vector<Level> levels;
  for (int depth = 0; depth < kDepthMax; ++depth) {
    Level level{.directory = parent, .name = {}, .rules = rules_of(files, parent)};
    Ino above = kRootIno;
    if (parent != kRootIno) {
      const auto named = files.names(parent, [&](Ino its, std::string_view name) {
        above = its;
        level.name = name;
        return false;
      });
      if (!named || level.name.empty()) break;  // it has just gone, and the file with it
    }
    levels.push_back(std::move(level));
    if (parent == kRootIno) break;
    parent = above;
  }
  std::ranges::reverse(levels);
  return levels;
}

// What the rules say about one path: a directory above the file, or the file.
struct Exclusion::Asked {
  std::string_view path;  // from the volume's root
  bool directory = false;
  std::span<const Level> levels;                  // those above it
  std::span<const std::size_t> begins;            // of what is below each, in `path`
  std::optional<std::size_t> begins_in_its_root;  // of its collection
};

std::string Exclusion::why_path(const Asked& asked, const Own& own) const {
  for (std::size_t level = asked.levels.size(); level-- > 0;) {
    if (!asked.levels[level].rules) continue;
    const std::size_t begin = asked.begins[level];
    const auto match = asked.levels[level].rules->match(asked.path.substr(begin), asked.directory);
    if (!match) continue;
    if (!match->ignored) return {};
    return format("{}{}{} line {}", kExcluded, asked.path.substr(0, begin), kIgnoreFileName,
                  match->line);
  }
  if (asked.begins_in_its_root && own.rules) {
    const auto match =
        own.rules->match(asked.path.substr(*asked.begins_in_its_root), asked.directory);
    if (match && match->ignored) return format("{}the collection: {}", kExcluded, match->pattern);
    if (match) return {};
  }
  if (!own.defaults) return {};
  const auto match = defaults().match(asked.path, asked.directory);
  return match ? format("{}default: {}", kExcluded, match->pattern) : std::string();
}

Exclusion::Own Exclusion::own_rules(const Collection& collection) {
  const CollectionSettings settings = collection.settings();
  Own own{.rules = nullptr, .defaults = settings.ignore_defaults};
  if (settings.ignore.empty()) return own;
  Lock lock(mutex_);
  Settled& settled = settled_[collection.root()];
  if (!settled.rules || settled.text != settings.ignore)
    settled = {.text = settings.ignore,
               .rules = std::make_shared<const IgnoreRules>(settings.ignore)};
  own.rules = settled.rules;
  return own;
}

std::string Exclusion::why(FileView& files, const Collection& collection, Ino parent,
                           std::string_view name) {
  const std::vector<Level> levels = levels_above(files, parent);
  const Own own = own_rules(collection);
  std::string path;
  std::vector<std::size_t> begins;
  std::optional<std::size_t> in_its_root;
  for (std::size_t depth = 0; depth < levels.size(); ++depth) {
    begins.push_back(path.size());
    if (levels[depth].directory == collection.root()) in_its_root = path.size();
    const bool last = depth + 1 == levels.size();
    path += last ? name : std::string_view(levels[depth + 1].name);
    std::string why = why_path({.path = path,
                                .directory = !last,
                                .levels = std::span(levels).first(depth + 1),
                                .begins = begins,
                                .begins_in_its_root = in_its_root},
                               own);
    if (!why.empty()) return why;
    path += '/';
  }
  return {};
}

}  // namespace vexfs
