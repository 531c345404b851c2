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

void IndexKeeper::load_spaces() {
  for (const auto& stored : state_.collections.stored()) {
    const std::uint32_t id = stored->space->identity().id;
    const auto loaded = stored->store.load(*stored->space, [&](Bytes piece) {
      return stored->text ? stored->text->load(piece) : Result<>();
    });
    if (!loaded)
      log(Level::error, "search", "a space could not be loaded",
          {{"space", id}, {"why", std::string_view(loaded.error().what)}});
    if (const auto embedder = state_.collections.load_embedder(*stored, state_.embedders);
        !embedder)
      log(Level::warn, "search", "an embedder is lost and is made again",
          {{"space", id}, {"why", std::string_view(embedder.error().what)}});
    spaces_[id] = stored->space;
  }
}

void IndexKeeper::load() {
  static Histogram& took = metrics::histogram("vexfs_index_load_seconds", "Loading the indexes");
  {
    Timed timed(took);
    load_spaces();
    read_files();
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
  hashes_ = {};
  spaces_ = {};
  saved_ns_ = monotonic_ns();
  state_.loaded.open();
}

void IndexKeeper::read_files() {
  const Key files_from = search_key::file(Ino{0});
  const Key files_to = Key().u8('f' + 1);
  auto scanned = state_.volume.scan(Tree::chunk, files_from, files_to, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u8();
    const Ino ino{reader.u64()};
    FileRecord record;
    const bool read = !reader.failed() && read_record(value, record);
    if (read && as_text(value.subspan(sizeof record)).starts_with(kNoVectors))
      state_.without_vectors.add(ino);
    if (read)
      files_[ino] = {.generation = record.generation,
                     .collection = root_of(record),
                     .parts = record.parts,
                     .rows = is_rows(record)};
    return true;
  });
  const Key from = search_key::chunk(Ino{0}, 0);
  const Key to = Key().u8('c' + 1);
  const auto remember = [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u8();
    const Ino ino{reader.u64()};
    const std::uint32_t number = reader.u32();
    ChunkRecord record;
    const auto file = files_.find(ino);
    if (reader.failed() || !read_record(value, record) || file == files_.end()) return true;
    Indexed& indexed = file->second;
    if (number == 0) indexed.first = hashes_.size();
    if (number != indexed.chunks) return true;  // one is missing: the file is lost
    ++indexed.chunks;
    hashes_.push_back(record.hash);
    return true;
  };
  if (scanned) scanned = state_.volume.scan(Tree::chunk, from, to, remember);
  if (!scanned)
    log(Level::error, "search", "files could not be read",
        {{"why", std::string_view(scanned.error().what)}});
}

// What the columns must say of the slot that has this part.
std::optional<std::uint64_t> IndexKeeper::check_of(const Indexed& file, std::uint32_t part) const {
  if (file.rows) return part;
  if (part >= file.chunks) return std::nullopt;
  return hashes_[file.first + part];
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
    const std::uint32_t first = reader.u32();
    RunRecord record;
    Space* const space = find(spaces_, id);
    // Of no space: it was being made, or has given way, and is erased later.
    if (reader.failed() || !read_record(value, record) || space == nullptr) return true;
    const SpaceColumns& columns = space->columns();
    const auto is = [&](Slot slot, std::uint64_t check) {
      return slot < space->size() && columns.ino(slot) == ino && columns.check(slot) == check;
    };
    if (first == kOwnVector) {
      const bool there = is(record.slot, kOwnVector);
      if (there) space->revive(record.slot, first, kOutlives);
      own_vectors.push_back({.ino = ino,
                             .root = space->identity().collection,
                             .slot = there ? std::uint32_t{record.slot} : kNoSlot});
      return true;
    }
    const auto file = files_.find(ino);
    if (file == files_.end()) return true;
    Indexed& indexed = file->second;
    const bool its_space = indexed.collection == space->identity().collection &&
                           indexed.rows == (space->identity().kind == SpaceKind::user);
    for (std::uint32_t i = 0; its_space && i < record.count; ++i) {
      const auto check = check_of(indexed, first + i);
      if (!check || !is(record.slot + i, *check)) continue;
      space->revive(record.slot + i, first + i, indexed.generation);
      if (indexed.parts > 0) --indexed.parts;
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
  Lock saving(state_.collections.saving());
  // Taken first: the rows of all of them are in the columns that are saved then.
  std::vector<QueueBook::Record> settled = state_.book.take_settled();
  Result<> done;
  for (const auto& stored : state_.collections.stored()) {
    const TextIndex* text = stored->text ? &stored->text->index() : nullptr;
    const Slot to = stored->text ? stored->text->whole_size(*stored->space) : stored->space->size();
    if (done) done = stored->store.save(*stored->space, text, to);
    if (done) done = stored->store.save_graph(*stored->space, graphs);
  }
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

bool IndexKeeper::sample_recall() {
  for (const auto& stored : state_.collections.stored()) {
    const auto collection = state_.collections.find(stored->space->identity().collection);
    if (!collection) continue;
    const double target = collection->settings().recall.value_or(kRecallDefault);
    if (!stored->space->sample_width(target)) continue;
    const Space::Width width = stored->space->width();
    log(width.recall < target ? Level::warn : Level::info, "search", "recall sampled",
        {{"space", stored->space->identity().id},
         {"permille", static_cast<std::uint64_t>(1000 * width.recall)},
         {"target_permille", static_cast<std::uint64_t>(1000 * target)},
         {"ef", width.ef}});
    return true;
  }
  return false;
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
