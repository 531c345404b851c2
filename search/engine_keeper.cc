// SPDX-License-Identifier: Apache-2.0
#include "search/engine_keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kSaveAfterNs = 60'000'000'000;
constexpr std::uint64_t kSaveAfterBytes = std::uint64_t{64} << 20;
constexpr std::uint32_t kGrowSlice = 512;

std::uint64_t unsaved_bytes(const CollectionSet::Stored& stored) {
  const std::uint64_t row = 16 + std::uint64_t{stored.space->identity().dimension} * 4;
  return (stored.space->size() - stored.store.saved()) * row;
}

Space* find(const std::unordered_map<std::uint32_t, std::shared_ptr<Space>>& spaces,
            std::uint32_t id) {
  const auto found = spaces.find(id);
  return found == spaces.end() ? nullptr : found->second.get();
}

}  // namespace

void IndexKeeper::load() {
  static Histogram& took = metrics::histogram("vexfs_index_load_seconds", "Loading the indexes");
  {
    Timed timed(took);
    for (const auto& stored : state_.collections.stored()) {
      const auto loaded = stored->store.load(*stored->space, [&](Bytes piece) {
        return stored->text ? stored->text->load(piece) : Result<>();
      });
      if (!loaded)
        log(Level::error, "search", "a space could not be loaded",
            {{"space", stored->space->identity().id},
             {"why", std::string_view(loaded.error().what)}});
    }
    for (const auto& stored : state_.collections.stored())
      spaces_[stored->space->identity().id] = stored->space;
    revive_chunks();
    revive_runs();
    kill_words();
    for (const auto& stored : state_.collections.stored()) {
      const auto loaded = stored->store.load_graph(*stored->space);
      if (!loaded)
        log(Level::warn, "search", "a graph is built again",
            {{"space", stored->space->identity().id},
             {"why", std::string_view(loaded.error().what)}});
    }
  }
  std::uint64_t lost = 0;
  for (const auto& [ino, file] : files_) {
    if (file.parts == 0) continue;
    state_.queue.owe({.ino = ino});
    ++lost;
  }
  log(Level::info, "search", "indexes are loaded",
      {{"files", files_.size()}, {"lost", lost}, {"ms", took.sum_ns() / 1'000'000}});
  files_ = {};
  spaces_ = {};
  saved_ns_ = monotonic_ns();
  state_.loaded.open();
}

void IndexKeeper::revive_chunks() {
  const Key files_from = search_key::file(Ino{0});
  const Key files_to = Key().u8('f' + 1);
  auto scanned = state_.volume.scan(Tree::chunk, files_from, files_to, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u8();
    const Ino ino{reader.u64()};
    FileRecord record;
    if (!reader.failed() && read_record(value, record))
      files_[ino] = {.generation = record.generation,
                     .space = record.space,
                     .parts = record.parts,
                     .rows = is_rows(record)};
    return true;
  });
  const Key from = search_key::chunk(Ino{0}, 0);
  const Key to = Key().u8('c' + 1);
  const auto revive = [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u8();
    const Ino ino{reader.u64()};
    const std::uint32_t number = reader.u32();
    ChunkRecord record;
    const auto file = files_.find(ino);
    if (reader.failed() || !read_record(value, record) || file == files_.end()) return true;
    Space* const space = find(spaces_, file->second.space);
    if (space == nullptr || record.slot >= space->size()) return true;
    const SpaceColumns& columns = space->columns();
    if (columns.ino(record.slot) != ino || columns.check(record.slot) != record.hash) return true;
    space->revive(record.slot, number, file->second.generation);
    if (file->second.parts > 0) --file->second.parts;
    return true;
  };
  if (scanned) scanned = state_.volume.scan(Tree::chunk, from, to, revive);
  if (!scanned)
    log(Level::error, "search", "chunks could not be read",
        {{"why", std::string_view(scanned.error().what)}});
}

void IndexKeeper::revive_runs() {
  struct OwnVector {
    Ino ino{}, root{};
    Slot slot = kNoSlot;
  };
  std::vector<OwnVector> own_vectors;
  const auto revive = [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const std::uint32_t id = reader.u32();
    const Ino ino{reader.u64()};
    const std::uint32_t row = reader.u32();
    RunRecord record;
    if (reader.failed() || !read_record(value, record)) return true;
    Space* const space = find(spaces_, id);
    const bool own = row == kOwnVector;
    const auto file = files_.find(ino);
    if (!own && (file == files_.end() || file->second.space != id)) return true;
    for (std::uint32_t i = 0; i < record.count; ++i) {
      const Slot slot = record.slot + i;
      const bool there = space && slot < space->size() && space->columns().ino(slot) == ino &&
                         space->columns().check(slot) == row + i;
      if (own && there) {
        space->revive(slot, row, kOutlives);
        own_vectors.push_back({.ino = ino, .root = space->identity().collection, .slot = slot});
      } else if (own) {
        own_vectors.push_back({.ino = ino});
      } else if (there) {
        space->revive(slot, row + i, file->second.generation);
        if (file->second.parts > 0) --file->second.parts;
      }
    }
    return true;
  };
  if (const auto scanned = state_.volume.scan(Tree::vector, {}, {}, revive); !scanned)
    log(Level::error, "search", "rows could not be read",
        {{"why", std::string_view(scanned.error().what)}});
  for (const OwnVector& own : own_vectors) {
    const auto collection = state_.collections.find(own.root);
    if (own.slot == kNoSlot || !collection)
      state_.vectors.owe(own.ino);
    else
      collection->set_own_vector(own.ino, own.slot);
  }
}

void IndexKeeper::kill_words() {
  for (const auto& stored : state_.collections.stored()) {
    if (!stored->text) continue;
    const SpaceColumns& columns = stored->space->columns();
    for (Slot slot = 0; slot < columns.size(); ++slot)
      if (columns.dead(slot)) stored->text->erase(slot);
  }
}

Result<> IndexKeeper::save(bool graphs) {
  // Taken first: the rows of all of them are in the columns that are saved then.
  std::vector<QueueBook::Record> settled = state_.book.take_settled();
  Result<> done;
  for (const auto& stored : state_.collections.stored()) {
    const TextIndex* text = stored->text ? &stored->text->index() : nullptr;
    const Slot to = stored->text ? stored->text->whole_size(*stored->space) : stored->space->size();
    if (done) done = stored->store.save(*stored->space, text, to);
    if (done) done = stored->store.save_graph(*stored->space, graphs);
  }
  for (const auto& replaced : state_.collections.take_replaced())
    if (done) done = replaced->store.remove();
  if (done) done = state_.book.erase(settled);
  if (!done) state_.book.put_back(std::move(settled));
  saved_ns_ = monotonic_ns();
  return done;
}

void IndexKeeper::save_if_due() {
  std::uint64_t bytes = 0;
  for (const auto& stored : state_.collections.stored()) bytes += unsaved_bytes(*stored);
  const bool late = monotonic_ns() - saved_ns_ > kSaveAfterNs;
  if (bytes < kSaveAfterBytes && !(late && (bytes != 0 || state_.book.settled() != 0))) return;
  if (const auto saved = save(false); !saved)
    log(Level::warn, "search", "the index could not be saved",
        {{"why", std::string_view(saved.error().what)}});
}

void IndexKeeper::save_all() {
  if (const auto saved = save(true); !saved)
    log(Level::warn, "search", "the index could not be saved; it is made again at the next mount",
        {{"why", std::string_view(saved.error().what)}});
}

bool IndexKeeper::grow_graphs() {
  static Histogram& took = metrics::histogram("vexfs_index_step_seconds",
                                              "Steps of indexing one file", "step=\"graph\"");
  bool grown = false;
  for (const auto& stored : state_.collections.stored()) {
    const std::uint64_t began_ns = monotonic_ns();
    const auto done = stored->space->grow_graph(kGrowSlice);
    if (done.value_or(false)) took.record(monotonic_ns() - began_ns);
    if (!done)
      log(Level::error, "search", "a graph could not grow",
          {{"space", stored->space->identity().id}, {"why", std::string_view(done.error().what)}});
    grown |= done.value_or(false);
  }
  return grown;
}

}  // namespace vexfs
