// SPDX-License-Identifier: Apache-2.0
#include "search/engine_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/endian.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "vector/distance.h"

namespace vexfs {

namespace {

// Streams one file's rows into the space; keeps the slots of those that are as they were.
class RowPass {
 public:
  RowPass(Space& space, Ino ino, std::uint64_t generation, const std::vector<Run>& old)
      : space_(space), ino_(ino), generation_(generation), old_(old) {}

  bool take(std::uint64_t number, std::span<const float> values) {
    if (number >= kOwnVector) return true;
    const auto row = static_cast<std::uint32_t>(number);
    row_.assign(values.begin(), values.end());
    const bool cosine = space_.identity().metric == Metric::cosine;
    if (!all_finite(row_) || (cosine && !normalise(row_))) {
      ++refused_;
      return true;
    }
    Slot slot = old_slot(row);
    if (slot != kNoSlot && std::memcmp(space_.row(slot), row_.data(), row_.size() * 4) == 0) {
      space_.revive(slot, row, generation_);
      ++kept_;
    } else {
      const auto fresh = space_.append(
          {.ino = ino_, .check = row, .part = row, .generation = generation_, .values = row_});
      if (!fresh) {
        error_ = fresh;
        return false;
      }
      slot = *fresh;
      fresh_.push_back(slot);
    }
    extend(row, slot);
    return true;
  }

  Result<> error() const { return error_ ? Result<>() : std::unexpected(error_.error()); }
  const std::vector<Run>& runs() const { return runs_; }
  std::uint32_t rows() const { return kept_ + static_cast<std::uint32_t>(fresh_.size()); }
  std::uint64_t refused() const { return refused_; }
  std::size_t added() const { return fresh_.size(); }
  // The content has moved on: its next pass adds rows of its own.
  void undo() {
    for (const Slot slot : fresh_) space_.kill(slot);
  }
  void kill_replaced() {
    std::vector<Slot> used;
    for (const Run& run : runs_)
      for (std::uint32_t i = 0; i < run.count; ++i) used.push_back(run.slot + i);
    std::sort(used.begin(), used.end());
    for (const Run& run : old_)
      for (std::uint32_t i = 0; i < run.count; ++i)
        if (ours(run.slot + i, run.part + i) &&
            !std::binary_search(used.begin(), used.end(), run.slot + i))
          space_.kill(run.slot + i);
  }

 private:
  bool ours(Slot slot, std::uint32_t row) const {
    const SpaceColumns& columns = space_.columns();
    return slot < columns.size() && columns.ino(slot) == ino_ && columns.check(slot) == row &&
           !columns.dead(slot);
  }
  Slot old_slot(std::uint32_t row) {
    while (at_ < old_.size() && old_[at_].part + old_[at_].count <= row) ++at_;
    if (at_ == old_.size() || row < old_[at_].part) return kNoSlot;
    const Slot slot = old_[at_].slot + (row - old_[at_].part);
    return ours(slot, row) ? slot : kNoSlot;
  }
  void extend(std::uint32_t row, Slot slot) {
    if (!runs_.empty()) {
      Run& last = runs_.back();
      if (last.part + last.count == row && last.slot + last.count == slot) {
        ++last.count;
        return;
      }
    }
    runs_.push_back({.part = row, .slot = slot, .count = 1});
  }

  Space& space_;
  const Ino ino_;
  const std::uint64_t generation_;
  const std::vector<Run>& old_;
  std::size_t at_ = 0;  // in old_; rows come in order
  std::vector<float> row_;
  std::vector<Run> runs_;
  std::vector<Slot> fresh_;
  std::uint32_t kept_ = 0;
  std::uint64_t refused_ = 0;
  Result<Slot> error_ = Slot{0};
};

}  // namespace

Result<RowIndexer::Fit> RowIndexer::fit(Collection& collection, std::uint32_t dimension) {
  const CollectionSettings settings = collection.settings();
  // Another first vector may come between the look and the making: look again then.
  for (;;) {
    const auto present = collection.user();
    const bool filled = present && present->in_use();
    const std::uint32_t wanted =
        settings.dimension.value_or(filled ? present->identity().dimension : dimension);
    if (wanted != dimension)
      return Fit{.space = nullptr,
                 .why = format("dimension {}, collection has {}", dimension, wanted)};
    const Metric metric =
        settings.metric.value_or(filled ? present->identity().metric : Metric::cosine);
    if (filled && present->identity().metric != metric)
      return Fit{.space = nullptr, .why = "the collection has vectors of another metric"};
    if (filled && present->identity().dimension != dimension)
      return Fit{.space = nullptr, .why = "the collection has vectors of another dimension"};
    auto space = state_.collections.user_space(collection, dimension, metric);
    if (space) return Fit{.space = *std::move(space), .why = {}};
    if (space.error().code != EINVAL) return std::unexpected(space.error());
  }
}

Result<RowIndexer::Outcome> RowIndexer::index_file(Ino ino, const std::string& name,
                                                   const FileFacts& facts, Collection& collection) {
  static Counter& vectors = metrics::counter("vexfs_index_rows_total", "Rows taken from files");
  static Histogram& took =
      metrics::histogram("vexfs_index_step_seconds", "Steps of indexing one file", "step=\"rows\"");
  Timed timed(took);
  const auto read = [&](std::uint64_t offset, MutableBytes into) {
    return state_.files->read(ino, offset, into);
  };
  const RowFileKind kind = *row_file_kind(name);
  VEXFS_TRY(const RowFileShape shape, row_file_shape(kind, facts.size, read));
  VEXFS_TRY(const Fit fits, fit(collection, shape.dimension));
  if (!fits.space) {
    VEXFS_CHECK(records_.forget(ino));
    VEXFS_CHECK(park(ino, fits.why));
    return Outcome::parked;
  }
  const auto before = records_.file(ino);
  const std::uint32_t id = fits.space->identity().id;
  const bool here = before && root_of(*before) == collection.root();
  if (before && !(is_rows(*before) && here)) VEXFS_CHECK(records_.forget(ino));

  const std::vector<Run> old = records_.runs(id, ino);
  RowPass pass(*fits.space, ino, facts.generation, old);
  auto done = visit_rows(
      kind, facts.size, read,
      [&](std::uint64_t row, std::span<const float> values) { return pass.take(row, values); });
  if (done) done = pass.error();
  const auto now = state_.files->facts(ino);
  if (now && now->generation != facts.generation) done = fail(ESTALE, "index: it changed");
  FileRecord record = file_record(name, facts, collection);
  record.kind = static_cast<std::uint8_t>(FileKind::rows);
  record.parts = pass.rows();
  {
    const SpaceChange change(fits.space->gate(), ino);
    if (done && !change.allowed()) done = fail(kReplaced, "index: the space was replaced");
    if (done)
      done = records_.put_runs(ino, record,
                               {.space = id, .runs = pass.runs(), .left_out = pass.refused()});
    if (done) pass.kill_replaced();
    if (!done) pass.undo();
  }
  if (!done) return std::unexpected(done.error());
  vectors.add(pass.added());
  if (pass.refused() != 0)
    state_.errors.add(
        ino, format("{} rows are NaN, infinite or zero and were left out", pass.refused()));
  VEXFS_CHECK(state_.book.refuse(ino, Owed::parked, {}));
  return Outcome::indexed;
}

Result<> RowIndexer::park(Ino ino, const std::string& why) {
  if (state_.book.reason(ino, Owed::parked) != why) state_.errors.add(ino, "skipped: " + why);
  return state_.book.refuse(ino, Owed::parked, why);
}

Result<> RowIndexer::withdraw_vector(Ino ino) {
  for (const auto& collection : state_.collections.all()) {
    for (bool withdrawn = false; !withdrawn;) {
      const Collection::OwnVector own = collection->own_vector(ino);
      if (!own.space) break;
      const SpaceChange change(own.space->gate(), ino);
      if (!change.allowed()) continue;
      Transaction transaction;
      transaction.erase(Tree::vector, search_key::run(own.space->identity().id, ino, kOwnVector));
      VEXFS_CHECK(state_.volume.commit(transaction, {.freeing = true}));
      collection->erase_own_vector(ino);
      own.space->kill(own.slot);
      withdrawn = true;
    }
  }
  return {};
}

Result<> RowIndexer::place(Ino ino) {
  const auto value = state_.files->user_vector(ino);
  const auto collection = state_.collections.of_file(*state_.files, ino);
  if (!value || !collection) {
    VEXFS_CHECK(withdraw_vector(ino));
    const bool gone = !value && (value.error().code == ENODATA || value.error().code == ENOENT);
    if (!gone && !value) return std::unexpected(value.error());
    return state_.book.refuse(ino, Owed::parked, {});
  }
  std::vector<float> vector(value->size() / sizeof(le32));
  for (std::size_t i = 0; i < vector.size(); ++i) {
    le32 stored;
    std::memcpy(&stored, value->data() + i * sizeof stored, sizeof stored);
    vector[i] = std::bit_cast<float>(static_cast<std::uint32_t>(stored));
  }
  const auto dimension = static_cast<std::uint32_t>(vector.size());
  // What it replaces does not count for what fits.
  if (const auto user = collection->user(); user && user->identity().dimension != dimension)
    VEXFS_CHECK(withdraw_vector(ino));
  VEXFS_TRY(const Fit fits, fit(*collection, dimension));
  const bool cosine = fits.space && fits.space->identity().metric == Metric::cosine;
  if (!fits.space || (cosine && !normalise(vector))) {
    VEXFS_CHECK(withdraw_vector(ino));
    return park(ino, fits.space ? "a zero vector under cosine" : fits.why);
  }

  if (!collection->has_own_vector(ino))
    VEXFS_CHECK(withdraw_vector(ino));  // it may come from another collection
  VEXFS_CHECK(put_vector(*collection, *fits.space, ino, vector));
  return state_.book.refuse(ino, Owed::parked, {});
}

Result<> RowIndexer::put_vector(Collection& collection, Space& space, Ino ino,
                                std::span<const float> vector) {
  const SpaceChange change(space.gate(), ino);
  if (!change.allowed()) return fail(kReplaced, "vector: the space was replaced");
  const Slot before = collection.own_vector(ino).slot;
  if (before != kNoSlot && std::memcmp(space.row(before), vector.data(), vector.size_bytes()) == 0)
    return {};
  VEXFS_TRY(const Slot slot, space.append({.ino = ino,
                                           .check = kOwnVector,
                                           .part = kOwnVector,
                                           .generation = kOutlives,
                                           .values = vector}));
  Transaction transaction;
  const RunRecord run{.slot = slot, .count = 1};
  transaction.put(Tree::vector, search_key::run(space.identity().id, ino, kOwnVector),
                  bytes_of(run));
  if (const auto done = state_.volume.commit(transaction); !done) {
    space.kill(slot);
    return std::unexpected(done.error());
  }
  collection.set_own_vector(ino, slot);
  if (before != kNoSlot) space.kill(before);
  return {};
}

void RowIndexer::place_vector(Ino ino, std::uint64_t sequence) {
  static Counter& vectors =
      metrics::counter("vexfs_index_own_vectors_total", "Vectors set by users that were placed");
  vectors.add();
  auto placed = place(ino);
  while (!placed && placed.error().code == kReplaced) placed = place(ino);
  if (!placed) {
    log(Level::warn, "search", "a vector could not be placed",
        {{"ino", static_cast<std::uint64_t>(ino)}, {"why", std::string_view(placed.error().what)}});
    state_.errors.add(ino, format("failed: {}", placed.error().what));
    return;  // its record stays, so the next mount tries again
  }
  state_.book.settle({.ino = ino, .what = Owed::vector, .sequence = sequence});
}

}  // namespace vexfs
