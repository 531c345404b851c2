// SPDX-License-Identifier: Apache-2.0
#include "search/engine_worker.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"

namespace vexfs {

bool IndexWorker::run(const IndexTask& task) {
  static Histogram& took =
      metrics::histogram("vexfs_index_step_seconds", "Steps of indexing one file", "step=\"all\"");
  Timed timed(took);
  Result<> done;
  if (task.rescan) done = rescan(task.ino);
  if (done) done = task.gone ? forget(task.ino) : index(task);
  if (done) return false;
  if (done.error().code == ESTALE) return true;
  fail_file(task.ino, done.error());
  return false;
}

void IndexWorker::fail_file(Ino ino, const Error& error) {
  static Counter& failed = metrics::counter("vexfs_index_failed_total", "Files that failed");
  failed.add();
  const std::string reason = error.code == ENOSPC ? "no space" : error.what;
  log(Level::warn, "search", "a file could not be indexed",
      {{"ino", static_cast<std::uint64_t>(ino)}, {"why", std::string_view(error.what)}});
  state_.errors.add(ino, "failed: " + reason);
  // Its old content must not speak for it; when not even that can be recorded, its generation
  // still hides it.
  if (const auto forgotten = records_.forget(ino); !forgotten) return;
  if (const auto kept = state_.book.refuse(ino, Owed::failed, reason); !kept) return;
  if (const auto facts = state_.files->facts(ino))
    state_.book.settle({.ino = ino, .what = Owed::content, .sequence = facts->generation});
}

Result<> IndexWorker::forget(Ino ino) {
  VEXFS_CHECK(leave_rules(ino));
  VEXFS_CHECK(records_.forget(ino));
  VEXFS_CHECK(rows_.withdraw_vector(ino));
  VEXFS_CHECK(state_.book.refuse(ino, Owed::failed, {}));
  VEXFS_CHECK(state_.book.refuse(ino, Owed::parked, {}));
  VEXFS_CHECK(state_.spanning.put(ino, false));
  if (ino != kRootIno && state_.collections.find(ino)) {
    Transaction transaction;
    CollectionSet::log_erase(transaction, ino);
    VEXFS_CHECK(state_.volume.commit(transaction, {.freeing = true}));
    state_.collections.erase(ino);
  }
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max() - 1;
  for (const Owed what : {Owed::content, Owed::vector, Owed::rescan, Owed::gone})
    state_.book.settle({.ino = ino, .what = what, .sequence = kAll});
  return {};
}

// Every file below `directory`; a directory at a time, so one that moves meanwhile is met at its
// new place, or was already.
Result<> IndexWorker::files_below(Ino directory, FunctionRef<void(const Found&)> visit) {
  std::vector<Ino> directories{directory};
  while (!directories.empty()) {
    const Ino at = directories.back();
    directories.pop_back();
    std::vector<Found> files;
    const auto listed =
        state_.files->children(at, [&](std::string_view name, Ino child, mode_t mode) {
          if (S_ISDIR(mode)) directories.push_back(child);
          if (S_ISREG(mode))
            files.push_back({.ino = child, .parent = at, .name = std::string(name)});
          return true;
        });
    if (!listed && listed.error().code != ENOENT) return listed;
    for (const Found& file : files) visit(file);
  }
  return {};
}

// Content of `files`; who waits for `awaited` waits for them.
Result<> IndexWorker::owe(Ino awaited, const std::vector<Ino>& files) {
  Transaction transaction;
  for (const Ino file : files) {
    const auto facts = state_.files->facts(file);
    if (!facts) continue;
    QueueBook::log(transaction,
                   {.ino = file, .what = Owed::content, .sequence = facts->generation});
    if (transaction.bytes() > kTransactionBytesMax / 2)
      VEXFS_CHECK(state_.volume.commit(transaction));
  }
  if (!transaction.empty()) VEXFS_CHECK(state_.volume.commit(transaction));
  state_.queue.owe_below(awaited, files);
  return {};
}

Result<> IndexWorker::rescan(Ino directory) {
  std::vector<Ino> files;
  VEXFS_CHECK(files_below(directory, [&](const Found& file) { files.push_back(file.ino); }));
  VEXFS_CHECK(owe(directory, files));
  for (const Ino file : files) state_.vectors.owe(file);
  state_.book.settle({.ino = directory, .what = Owed::rescan, .sequence = 0});
  return {};
}

// The rules below `directory` have changed: files that they now treat otherwise are owed.
Result<> IndexWorker::recheck(Ino directory, Ino awaited) {
  std::vector<Ino> files;
  VEXFS_CHECK(files_below(directory, [&](const Found& file) {
    const auto collection = state_.collections.of_directory(*state_.files, file.parent);
    const std::string why =
        state_.exclusion.why(*state_.files, *collection, file.parent, file.name);
    const std::string remark = records_.remark(file.ino);
    if (why != (remark.starts_with(kExcluded) ? remark : "")) files.push_back(file.ino);
  }));
  return owe(awaited, files);
}

// A file of rules was written, has come or has another name or place.
Result<> IndexWorker::follow_rules(Ino ino, Ino parent, std::string_view name,
                                   std::uint64_t generation) {
  const auto before = state_.exclusion.obeyed(ino);
  const bool rules = name == kIgnoreFileName;
  if (!rules && !before) return {};
  const Exclusion::RuleFile now{.directory = parent, .generation = generation};
  if (rules && before == now) return {};
  if (before && (!rules || before->directory != parent))
    VEXFS_CHECK(recheck(before->directory, ino));
  if (!rules) return state_.exclusion.put_obeyed(ino, std::nullopt);
  VEXFS_CHECK(recheck(parent, ino));
  return state_.exclusion.put_obeyed(ino, now);
}

Result<> IndexWorker::leave_rules(Ino ino) {
  const auto before = state_.exclusion.obeyed(ino);
  if (!before) return {};
  VEXFS_CHECK(recheck(before->directory, ino));
  return state_.exclusion.put_obeyed(ino, std::nullopt);
}

Result<> IndexWorker::index(const IndexTask& task) {
  const Ino ino = task.ino;
  auto facts = state_.files->facts(ino);
  if (!facts && facts.error().code == ENOENT) return forget(ino);
  VEXFS_CHECK(facts);
  if (!S_ISREG(facts->mode)) {
    if (S_ISDIR(facts->mode) && task.moved) VEXFS_CHECK(recheck(ino, ino));
    state_.book.settle({.ino = ino, .what = Owed::content, .sequence = 0});
    return {};
  }
  std::string name;
  std::vector<Ino> parents;
  const auto listed = state_.files->names(ino, [&](Ino parent, std::string_view its) {
    if (parents.empty()) name = its;
    parents.push_back(parent);
    return true;
  });
  // Without a name nothing finds it; removed() comes.
  if (!listed || parents.empty()) return {};
  const auto collection = state_.collections.of_directory(*state_.files, parents.front());
  const bool spans = std::ranges::any_of(parents, [&](Ino parent) {
    return state_.collections.of_directory(*state_.files, parent) != collection;
  });
  VEXFS_CHECK(state_.spanning.put(ino, spans));

  VEXFS_CHECK(state_.files->write_back(ino));
  facts = state_.files->facts(ino);
  VEXFS_CHECK(facts);
  const std::string excluded =
      state_.exclusion.why(*state_.files, *collection, parents.front(), name);
  const auto record = records_.file(ino);
  const std::string remark = record ? records_.remark(ino) : "";
  const bool holds = record && record->generation == facts->generation &&
                     record->suffix == suffix_of(name) && root_of(*record) == collection->root() &&
                     excluded == (remark.starts_with(kExcluded) ? remark : "") &&
                     !remark.starts_with(kNoVectors) && records_.holds(ino, *record);
  if (!holds && !excluded.empty()) {
    VEXFS_CHECK(records_.put_skipped(ino, file_record(name, *facts, *collection), excluded));
  } else if (!holds) {
    auto done = index_content(ino, name, *facts, *collection);
    while (!done && done.error().code == kReplaced)
      done = index_content(ino, name, *facts, *collection);
    VEXFS_CHECK(done);
  }
  VEXFS_CHECK(follow_rules(ino, parents.front(), name, facts->generation));
  VEXFS_CHECK(state_.book.refuse(ino, Owed::failed, {}));
  state_.book.settle({.ino = ino, .what = Owed::content, .sequence = facts->generation});
  return {};
}

Result<> IndexWorker::index_content(Ino ino, const std::string& name, const FileFacts& facts,
                                    Collection& collection) {
  static Counter& files = metrics::counter("vexfs_index_files_total", "Files that were indexed");
  if (row_file_kind(name)) {
    VEXFS_CHECK(rows_.index_file(ino, name, facts, collection));
  } else {
    VEXFS_CHECK(text_.index_file(ino, name, facts, collection));
  }
  files.add();
  return {};
}

}  // namespace vexfs
