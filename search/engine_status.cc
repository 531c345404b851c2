// SPDX-License-Identifier: Apache-2.0
// EngineImpl: what is told about files, directories and collections, and the settings.
#include <algorithm>
#include <memory>
#include <set>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "search/engine_impl.h"
#include "search/paths.h"
#include "search/scope_filter.h"

namespace vexfs {

namespace {

Json json_of(const CollectionSettings& settings) {
  Json json = Json::object();
  if (settings.dimension) json["dim"] = *settings.dimension;
  if (settings.metric) json["metric"] = std::string(name_of(*settings.metric));
  if (settings.embedder) json["embedder"] = *settings.embedder;
  for (std::string_view lines = settings.ignore; !lines.empty();) {
    const std::size_t end = lines.find('\n');
    json["ignore"].push_back(std::string(lines.substr(0, end)));
    lines.remove_prefix(end + 1);
  }
  if (!settings.ignore_defaults) json["ignore_defaults"] = false;
  if (settings.recall) json["recall"] = *settings.recall;
  return json;
}

// A scope with nothing filtered away. On the heap: a kilobyte.
struct Everybody {
  Everybody(EngineState& state, Ino scope)
      : filter(*state.files, state.collections.roots(), caller, scope, options) {}
  const QuestionOptions options;
  const Caller caller;
  ScopeFilter filter;
};

}  // namespace

Result<std::string> EngineImpl::file_status(Ino file) {
  VEXFS_TRY(const FileFacts facts, state_.files->facts(file));
  if (!S_ISREG(facts.mode)) return fail(ENODATA, "status: only files have one");
  state_.loaded.wait();
  place_vectors();
  if (const auto why = state_.book.reason(file, Owed::parked)) return "skipped: " + *why;
  const auto record = records_.file(file);
  const bool present = record && record->generation == facts.generation;
  if (!present && state_.queue.contains(file)) return std::string("pending");
  if (const auto why = state_.book.reason(file, Owed::failed)) return "failed: " + *why;
  const auto collection = state_.collections.of_file(*state_.files, file);
  const bool own = collection && collection->has_own_vector(file);
  if (!present && facts.size != 0) return std::string("pending");
  if (present && record->kind == static_cast<std::uint8_t>(FileKind::skipped) && !own) {
    return "skipped: " + records_.remark(file);
  }
  std::string line = "indexed";
  const std::uint32_t parts = present ? std::uint32_t{record->parts} : 0;
  if (present && is_rows(*record)) {
    const std::string remark = records_.remark(file);
    line += format(" rows={}{}{}", parts, remark.empty() ? "" : " ", remark);
  } else if (collection) {
    const auto space = collection->computed().space;
    const std::string wanted = state_.embedders.name_of(collection->settings());
    line += format(" embedder={} chunks={}",
                   space ? Embedders::name_in(space->identity().embedder) : wanted, parts);
    if (present && records_.remark(file).starts_with(kNoVectors))
      line += " " + records_.remark(file);
  }
  if (own) line += " vector=user";
  return line + format(" generation={}", facts.generation);
}

std::size_t EngineImpl::memory_bytes() const {
  return state_.collections.memory_bytes();
}

void EngineImpl::count_spaces(Ino scope, IndexCounts& counts) {
  const auto collection = state_.collections.of_directory(*state_.files, scope);
  const auto embedder = collection->computed().embedder;
  counts.embedder = embedder ? embedder->identity() : "none";
  counts.recall_target = collection->settings().recall.value_or(kRecallDefault);
  std::uint32_t largest = 0;
  for (const auto& space : {collection->user(), collection->computed().space}) {
    if (!space) continue;
    if (space->graphed() > largest) {
      largest = space->graphed();
      counts.recall = space->width().recall;
      counts.ef = space->width().ef;
    }
    counts.slots += space->size();
    counts.dead += space->size() - std::min(space->size(), space->live());
  }
  const IndexRebuilder::Progress progress = rebuilder_.progress(*collection);
  counts.rebuilding = progress.doing;
  counts.rebuilt_percent = progress.percent;
}

Result<IndexCounts> EngineImpl::counts(Ino scope) {
  VEXFS_TRY(const FileFacts facts, state_.files->facts(scope));
  if (!S_ISDIR(facts.mode)) return fail(ENOTDIR, "counts: of a directory");
  state_.loaded.wait();
  place_vectors();
  const auto everybody = std::make_unique<Everybody>(state_, scope);
  ScopeFilter& filter = everybody->filter;
  IndexCounts counts;
  std::vector<std::pair<Ino, FileRecord>> records;
  const Key to = Key().u8('f' + 1);
  VEXFS_CHECK(
      state_.volume.scan(Tree::chunk, search_key::file(Ino{0}), to, [&](Bytes key, Bytes value) {
        KeyReader reader(key);
        reader.u8();
        FileRecord record;
        const Ino ino{reader.u64()};
        if (read_record(value, record)) records.push_back({ino, record});
        return true;
      }));
  const std::vector<IndexTask> waiting = state_.queue.waiting();
  std::set<Ino> parked, own;
  for (const Ino ino : state_.book.refused(Owed::parked)) parked.insert(ino);
  for (const auto& collection : state_.collections.all())
    for (const Ino ino : collection->own_vectors()) own.insert(ino);
  for (const auto& [ino, record] : records) {
    const ScopeFilter::File& file = filter.file(ino);
    if (!file.in_scope || file.facts.generation != record.generation || parked.contains(ino) ||
        std::ranges::binary_search(waiting, ino, {}, &IndexTask::ino))
      continue;
    const bool skipped = record.kind == static_cast<std::uint8_t>(FileKind::skipped);
    ++(skipped && !own.contains(ino) ? counts.skipped : counts.indexed);
    const auto collection = state_.collections.find(root_of(record));
    if (is_rows(record) || (collection && collection->computed().embedder))
      counts.vectors += record.parts;
  }
  for (const IndexTask& task : waiting)
    counts.pending +=
        task.rescan ? filter.directory(task.ino).in_scope : filter.file(task.ino).in_scope;
  for (const Ino ino : state_.book.refused(Owed::failed))
    counts.failed += filter.file(ino).in_scope;
  for (const Ino ino : parked) counts.skipped += filter.file(ino).in_scope;
  for (const Ino ino : own) counts.vectors += filter.file(ino).in_scope;
  count_spaces(scope, counts);
  return counts;
}

std::uint64_t EngineImpl::when_indexed(Ino scope, Done done) {
  const QuestionOptions all;
  const Caller nobody;
  ScopeFilter filter(*state_.files, state_.collections.roots(), nobody, scope, all);
  std::vector<Ino> owed;
  for (const IndexTask& task : state_.queue.waiting())
    if (scope == kRootIno || filter.file(task.ino).in_scope ||
        (task.rescan && filter.directory(task.ino).in_scope))
      owed.push_back(task.ino);
  return state_.queue.when_left(owed, std::move(done));
}

Result<std::string> EngineImpl::collection(Ino directory) {
  const auto collection = state_.collections.of_directory(*state_.files, directory);
  VEXFS_TRY(const IndexCounts counted, counts(directory));
  const CollectionSettings settings = collection->settings();
  Json json = json_of(settings);
  json["embedder"] = state_.embedders.name_of(settings);
  if (const auto user = collection->user(); user && user->live() != 0) {
    json["dim"] = user->identity().dimension;
    json["metric"] = std::string(name_of(user->identity().metric));
  }
  json["root"] = collection->root() == directory;
  json["indexed"] = counted.indexed;
  json["pending"] = counted.pending;
  json["failed"] = counted.failed;
  json["skipped"] = counted.skipped;
  json["vectors"] = counted.vectors;
  json["vectors_by"] = counted.embedder;
  if (counted.ef != 0)
    json["search"] = {
        {"recall", counted.recall}, {"recall_target", counted.recall_target}, {"ef", counted.ef}};
  if (!counted.rebuilding.empty())
    json["rebuilding"] = {{"step", counted.rebuilding}, {"percent", counted.rebuilt_percent}};
  return to_text(json);
}

Result<> EngineImpl::refuse_settings(Ino directory, Error error) {
  state_.errors.add(directory, error.what);
  log(Level::warn, "search", "settings are refused",
      {{"directory", static_cast<std::uint64_t>(directory)},
       {"why", std::string_view(error.what)}});
  return std::unexpected(error);
}

Result<> EngineImpl::check_settings(const Collection* present, const CollectionSettings& settings) {
  if (settings.embedder && !state_.embedders.defines(*settings.embedder))
    return fail(EINVAL, "collection: the volume defines no such embedder");
  const auto user = present ? present->user() : nullptr;
  if (!user || user->live() == 0) return {};
  if (settings.dimension && *settings.dimension != user->identity().dimension)
    return fail(EINVAL, "collection: its vectors have another dimension");
  if (settings.metric && *settings.metric != user->identity().metric)
    return fail(EINVAL, "collection: its vectors have another metric");
  return {};
}

void EngineImpl::log_rescan(Transaction& transaction, Ino directory) {
  QueueBook::log(transaction, {.ino = directory, .what = Owed::rescan, .sequence = 0});
}

Result<> EngineImpl::set_collection(Ino directory, std::string_view json) {
  VEXFS_TRY(const FileFacts facts, state_.files->facts(directory));
  if (!S_ISDIR(facts.mode)) return fail(ENOTDIR, "collection: only a directory can be a root");
  auto settings = parse_settings(json);
  if (!settings) return refuse_settings(directory, settings.error());
  state_.loaded.wait();
  place_vectors();
  const auto present = state_.collections.find(directory);
  if (const auto checked = check_settings(present.get(), *settings); !checked)
    return refuse_settings(directory, checked.error());
  if (present && present->settings() == *settings && is_collection_root(directory)) return {};
  Transaction transaction;
  CollectionSet::log_put(transaction, directory, *settings);
  log_rescan(transaction, directory);
  VEXFS_CHECK(state_.volume.commit(transaction));
  state_.collections.put(directory, *std::move(settings));
  state_.queue.owe({.ino = directory, .rescan = true});
  return {};
}

Result<> EngineImpl::remove_collection(Ino directory) {
  if (!is_collection_root(directory)) return fail(ENODATA, "collection: not a root");
  state_.loaded.wait();
  Transaction transaction;
  CollectionSet::log_erase(transaction, directory);
  log_rescan(transaction, directory);
  VEXFS_CHECK(state_.volume.commit(transaction));
  state_.collections.erase(directory);
  state_.queue.owe({.ino = directory, .rescan = true});
  return {};
}

bool EngineImpl::is_collection_root(Ino directory) {
  if (directory != kRootIno) return state_.collections.find(directory) != nullptr;
  // The volume's own is there always; it counts once it has settings of its own.
  std::string value;
  return state_.volume.get(Tree::collection, search_key::collection(directory), value).has_value();
}

std::string EngineImpl::errors(const Caller& caller) {
  std::string lines;
  for (const ErrorList::Entry& entry : state_.errors.all()) {
    const auto facts = state_.files->facts(entry.about);
    if (!facts) continue;
    Ino directory = entry.about;
    if (!S_ISDIR(facts->mode)) {
      if (!state_.files->may_read(caller, entry.about)) continue;
      directory = Ino{};
      const auto listed = state_.files->names(entry.about, [&](Ino parent, std::string_view) {
        directory = parent;
        return false;
      });
      if (!listed || directory == Ino{}) continue;
    }
    if (!may_reach(*state_.files, caller, directory)) continue;
    const auto path = path_below(*state_.files, entry.about, kRootIno);
    if (path) lines += *path + ": " + entry.text + "\n";
  }
  return lines;
}

}  // namespace vexfs
