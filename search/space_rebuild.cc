// SPDX-License-Identifier: Apache-2.0
#include "search/space_rebuild.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/metrics.h"
#include "search/chunk_text.h"

namespace vexfs {

namespace {

constexpr std::size_t kBatchRows = 32;
constexpr std::uint64_t kSaveAfterBytes = std::uint64_t{32} << 20;
constexpr std::size_t kLastFiles = 16;  // so few are left to the switch
constexpr int kRoundsMax = 20;          // of catching up; then the switch takes what there is
constexpr std::uint32_t kGrowSlice = 256;
constexpr double kCopyShare = 0.6;  // of the work, where a graph is built as well

Result<> cancelled() {
  return fail(ECANCELED, "rebuild: it was ended");
}

}  // namespace

SpaceRebuild::SpaceRebuild(EngineState& state, const FileRecords& records, Wish wish, Step step)
    : state_(state),
      records_(records),
      wish_(std::move(wish)),
      step_(step),
      before_(*wish_.before->space) {}

Result<> SpaceRebuild::run() {
  static Histogram& took =
      metrics::histogram("vexfs_index_rebuild_seconds", "Making a space again, beside the old one");
  Timed timed(took);
  const SpaceIdentity& old = before_.identity();
  const Embedder* const embedder = wish_.embedder.get();
  const bool user = old.kind == SpaceKind::user;
  VEXFS_TRY(next_, state_.collections.begin_space(
                       {.collection = old.collection,
                        .kind = old.kind,
                        .dimension = user       ? old.dimension
                                     : embedder ? embedder->dimension()
                                                : 0,
                        .metric = old.metric},
                       wish_.embedder,
                       embedder && embedder->trained_on() != 0 ? embedder->save() : std::string()));
  before_.gate().watch();
  auto done = copy_all();
  if (done) done = grow_graph();
  if (done) done = catch_up();
  if (done)
    done =
        state_.collections.switch_space(wish_.before, next_, [&]() -> Result<Collection::OwnSlots> {
          const std::vector<Ino> rest = before_.gate().take_changed();
          last_.insert(last_.end(), rest.begin(), rest.end());
          std::ranges::sort(last_);
          last_.erase(std::ranges::unique(last_).begin(), last_.end());
          for (const Ino ino : last_) VEXFS_CHECK(copy_file(ino, true));
          VEXFS_CHECK(commit_if_over(0));
          VEXFS_CHECK(save(SpaceStore::Merge::never));
          return std::move(own_);
        });
  before_.gate().unwatch();
  if (!done) {
    state_.collections.give_up(next_);
    return done;
  }
  log(Level::info, "search", "a space was made again",
      {{"space", old.id},
       {"next", next_->space->identity().id},
       {"slots", before_.size()},
       {"rows", next_->space->live()},
       {"embedder", std::string_view(next_->space->identity().embedder)}});
  return {};
}

Result<> SpaceRebuild::copy_all() {
  const SpaceColumns& columns = before_.columns();
  std::vector<Ino> files;
  for (Slot slot = 0; slot < before_.size(); ++slot)
    if (!columns.dead(slot) && (files.empty() || files.back() != columns.ino(slot)))
      files.push_back(columns.ino(slot));
  std::ranges::sort(files);
  files.erase(std::ranges::unique(files).begin(), files.end());
  return copy_files(files, false);
}

Result<> SpaceRebuild::catch_up() {
  for (int round = 0;; ++round) {
    last_ = before_.gate().take_changed();
    if (last_.size() <= kLastFiles || round == kRoundsMax) return {};
    VEXFS_CHECK(copy_files(last_, true));
  }
}

Result<> SpaceRebuild::copy_files(std::span<const Ino> files, bool again) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(files.size());
    if (i % 16 == 0 && !step_(again ? 1 : kCopyShare * share)) return cancelled();
    VEXFS_CHECK(copy_file(files[i], again));
    VEXFS_CHECK(commit_if_over(kTransactionBytesMax / 2));
    const std::uint64_t unsaved = next_->space->size() - next_->store.saved();
    if (unsaved * next_->space->identity().dimension * sizeof(float) > kSaveAfterBytes)
      VEXFS_CHECK(save(SpaceStore::Merge::allowed));
  }
  VEXFS_CHECK(commit_if_over(0));
  return save(SpaceStore::Merge::allowed);
}

Result<> SpaceRebuild::copy_file(Ino ino, bool again) {
  std::vector<Part> parts = parts_of(ino);
  VEXFS_CHECK(copy_parts(ino, parts));
  std::erase_if(parts, [](const Part& part) { return part.to == kNoSlot; });
  if (again) kill_others(ino, parts);
  return record(ino, parts, again);
}

// What the records name and is alive.
std::vector<SpaceRebuild::Part> SpaceRebuild::parts_of(Ino ino) const {
  const SpaceColumns& columns = before_.columns();
  const std::uint32_t id = before_.identity().id;
  std::vector<Run> runs = records_.runs(id, ino);
  if (before_.identity().kind == SpaceKind::user)
    if (const auto own = records_.own_vector(id, ino)) runs.push_back(*own);
  std::vector<Part> parts;
  for (const Run& run : runs)
    for (std::uint32_t i = 0; i < run.count; ++i) {
      const Slot slot = run.slot + i;
      if (slot < columns.size() && columns.ino(slot) == ino && !columns.dead(slot))
        parts.push_back({.part = run.part + i, .from = slot});
    }
  return parts;
}

Result<> SpaceRebuild::copy_parts(Ino ino, std::span<Part> parts) {
  moved_.resize(std::max<std::size_t>(moved_.size(), before_.size()), kNoSlot);
  std::vector<Part*> batch;
  for (Part& part : parts) {
    part.to = moved_[part.from];
    const std::uint64_t generation = before_.columns().generation(part.from);
    if (part.to != kNoSlot) {
      if (generation != kDead) next_->space->revive(part.to, part.part, generation);
      continue;
    }
    batch.push_back(&part);
    if (batch.size() < kBatchRows) continue;
    VEXFS_CHECK(copy_batch(ino, batch));
    batch.clear();
  }
  return copy_batch(ino, batch);
}

// Empty: the file has changed since, and whoever indexes it then embeds it.
std::string SpaceRebuild::text_of(Ino ino, const Part& part) const {
  const auto record = records_.chunk(ino, part.part);
  if (!record || record->hash != before_.columns().check(part.from)) return {};
  return text_of_chunk(*state_.files, records_, ino, part.part, *record).value_or("");
}

Result<> SpaceRebuild::copy_batch(Ino ino, std::span<Part* const> batch) {
  static Counter& copied =
      metrics::counter("vexfs_index_rebuilt_rows_total", "Rows of spaces that were made again");
  const std::uint32_t dimension = next_->space->identity().dimension;
  const bool user = before_.identity().kind == SpaceKind::user;
  std::vector<TermBag> bags(batch.size());
  std::vector<bool> there(batch.size(), true);  // false: killed meanwhile, and noted
  if (!user)
    for (std::size_t i = 0; i < batch.size(); ++i)
      there[i] = wish_.before->text->index().bag(batch[i]->from, bags[i]);
  std::vector<float> rows;
  if (wish_.embed && wish_.embedder) {
    rows.resize(batch.size() * dimension);
    std::vector<DocumentText> documents;
    std::vector<std::string> texts(batch.size());
    if (wish_.embedder->reads_text())
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (there[i]) texts[i] = text_of(ino, *batch[i]);
    for (std::size_t i = 0; i < batch.size(); ++i)
      documents.push_back({.text = texts[i], .terms = bags[i]});
    VEXFS_CHECK(wish_.embedder->embed_documents(documents, rows));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Part& part = *batch[i];
    const std::uint64_t generation = before_.columns().generation(part.from);
    if (!there[i] || generation == kDead) continue;
    NewRow row{.ino = ino,
               .check = before_.columns().check(part.from),
               .part = part.part,
               .generation = generation};
    if (!rows.empty())
      row.values = std::span(rows).subspan(i * dimension, dimension);
    else if (dimension != 0)
      row.values = {before_.row(part.from), dimension};
    VEXFS_TRY(part.to,
              user ? next_->space->append(row) : next_->text->append(*next_->space, row, bags[i]));
    moved_[part.from] = part.to;
    from_.push_back(part.from);
    copied.add();
  }
  return {};
}

// What was copied of the file before and is not its any more.
void SpaceRebuild::kill_others(Ino ino, std::span<const Part> parts) {
  std::set<Slot> kept;
  for (const Part& part : parts) kept.insert(part.to);
  const std::uint32_t id = next_->space->identity().id;
  std::vector<Run> runs = records_.runs(id, ino);
  if (const auto own = records_.own_vector(id, ino)) runs.push_back(*own);
  for (const Run& run : runs)
    for (std::uint32_t i = 0; i < run.count; ++i) {
      const Slot slot = run.slot + i;
      if (kept.contains(slot)) continue;
      next_->space->kill(slot);
      if (next_->text) next_->text->erase(slot);
      moved_[from_[slot]] = kNoSlot;  // its words are gone: it would be copied again
    }
}

Result<> SpaceRebuild::record(Ino ino, std::span<const Part> parts, bool again) {
  const std::uint32_t id = next_->space->identity().id;
  if (again) {
    for (const Run& run : records_.runs(id, ino)) {
      transaction_.erase(Tree::vector, search_key::run(id, ino, run.part));
      VEXFS_CHECK(commit_if_over(kTransactionBytesMax / 2));
    }
    transaction_.erase(Tree::vector, search_key::run(id, ino, kOwnVector));
    own_.erase(ino);
  }
  for (std::size_t i = 0; i < parts.size();) {
    std::uint32_t count = 1;
    while (i + count < parts.size() && parts[i + count].part == parts[i].part + count &&
           parts[i + count].to == parts[i].to + count)
      ++count;
    if (parts[i].part == kOwnVector) own_[ino] = parts[i].to;
    const RunRecord stored{.slot = parts[i].to, .count = count};
    transaction_.put(Tree::vector, search_key::run(id, ino, parts[i].part), bytes_of(stored));
    VEXFS_CHECK(commit_if_over(kTransactionBytesMax / 2));
    i += count;
  }
  return {};
}

Result<> SpaceRebuild::commit_if_over(std::size_t bytes) {
  if (transaction_.bytes() <= bytes || transaction_.empty()) return {};
  VEXFS_CHECK(state_.volume.commit(transaction_));
  return {};
}

Result<> SpaceRebuild::save(SpaceStore::Merge merge) {
  const TextIndex* const text = next_->text ? &next_->text->index() : nullptr;
  return next_->store.save(*next_->space, text, next_->space->size(), merge);
}

Result<> SpaceRebuild::grow_graph() {
  for (;;) {
    const double share =
        static_cast<double>(next_->space->graphed()) / std::max(1.0, 1.0 * next_->space->size());
    if (!step_(kCopyShare + (1 - kCopyShare) * share)) return cancelled();
    VEXFS_TRY(const bool grown, next_->space->grow_graph(kGrowSlice));
    if (!grown) break;
  }
  return next_->store.save_graph(*next_->space, true);
}

}  // namespace vexfs
