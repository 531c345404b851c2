// SPDX-License-Identifier: Apache-2.0
#include "search/space_store.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "base/metrics.h"
#include "storage/blob.h"

namespace vexfs {

namespace {

constexpr std::uint64_t kPieceBytesMax = std::uint64_t{64} << 20;
constexpr std::size_t kOwnerBytes = 2 * sizeof(std::uint64_t);  // inode, check

// A transaction that adopts blobs: without its commit they are given back.
class Saving {
 public:
  explicit Saving(Volume& volume) : volume_(volume) {}
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;
  ~Saving() {
    if (adopted_.empty() && !committed_) note_adopted();
    if (committed_) return;
    for (const Extent& extent : adopted_) volume_.release(extent);
  }
  Transaction& transaction() { return transaction_; }
  Result<> commit() {
    VEXFS_CHECK(volume_.flush_data(FlushSite::blob_content));
    note_adopted();
    VEXFS_CHECK(volume_.commit(transaction_));
    committed_ = true;
    return {};
  }

 private:
  void note_adopted() {
    TransactionReader reader(transaction_);
    TransactionReader::Record record;
    while (reader.next(record))
      if (record.kind == TransactionReader::Kind::adopt) adopted_.push_back(record.extent);
  }
  Volume& volume_;
  Transaction transaction_;
  std::vector<Extent> adopted_;
  bool committed_ = false;
};

std::uint32_t piece_slots_max(std::uint32_t dimension) {
  const std::uint64_t row = kOwnerBytes + std::uint64_t{dimension} * sizeof(float);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(kPieceBytesMax / row, 1 << 20));
}

}  // namespace

std::string SpaceStore::encode(const SpaceIdentity& identity, std::uint32_t slots,
                               std::uint32_t graph_slots, std::uint32_t graph_pieces) {
  SpaceRecord record{};
  record.version = kSearchRecordVersion;
  record.metric = static_cast<std::uint8_t>(identity.metric);
  record.id = identity.id;
  record.dimension = identity.dimension;
  record.slots = slots;
  record.graph_slots = graph_slots;
  record.graph_pieces = graph_pieces;
  return std::string(as_text(bytes_of(record))) + identity.embedder;
}

Result<SpaceStore> SpaceStore::decode(Volume& volume, Bytes key, Bytes value) {
  KeyReader reader(key);
  reader.u8();
  const Ino collection{reader.u64()};
  const std::uint8_t kind = reader.u8();
  SpaceRecord record;
  if (reader.failed() || kind > 1 || !read_record(value, record) || record.metric > 2 ||
      record.dimension > kDimensionMax || record.reserved != 0)
    return fail(EUCLEAN, "space: a damaged record");
  SpaceStore store(volume, {.id = record.id,
                            .collection = collection,
                            .kind = static_cast<SpaceKind>(kind),
                            .dimension = record.dimension,
                            .metric = static_cast<Metric>(record.metric),
                            .embedder = std::string(as_text(value.subspan(sizeof record)))});
  store.slots_ = record.slots;
  store.graph_slots_ = record.graph_slots;
  store.graph_pieces_ = record.graph_pieces;
  return store;
}

Result<> SpaceStore::read_pieces() {
  pieces_.clear();
  const Key from = search_key::piece('r', identity_.id, 0);
  const Key to = search_key::piece('r', identity_.id + 1, 0);
  bool damaged = false;
  VEXFS_CHECK(volume_->scan(Tree::space, from, to, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    reader.u8();
    reader.u32();
    const Slot first = reader.u32();
    PieceRecord record;
    const Slot expected = pieces_.empty() ? 0 : pieces_.back().first + pieces_.back().slots;
    damaged = reader.failed() || !read_record(value, record) || first != expected;
    if (!damaged) pieces_.push_back({.first = first, .slots = record.slots});
    return !damaged;
  }));
  if (damaged) return fail(EUCLEAN, "space: a damaged list of pieces");
  return {};
}

Result<> SpaceStore::load_rows(Space& space, const Piece& piece) {
  std::string value;
  VEXFS_CHECK(volume_->get(Tree::space, search_key::piece('r', identity_.id, piece.first), value));
  const Bytes blob = as_bytes(value).subspan(sizeof(PieceRecord));
  const std::size_t row_bytes = identity_.dimension * sizeof(float);
  VEXFS_TRY(const std::uint64_t bytes, blob_bytes(blob));
  if (bytes != piece.slots * (kOwnerBytes + row_bytes))
    return fail(EUCLEAN, "space: a piece has another size than its record");
  std::vector<std::uint64_t> owners(2 * std::size_t{piece.slots});
  VEXFS_CHECK(read_blob(*volume_, blob, 0, std::as_writable_bytes(std::span(owners))));

  const std::uint64_t rows_at = piece.slots * kOwnerBytes;
  const std::size_t batch =
      std::max<std::size_t>(1, (1 << 20) / std::max<std::size_t>(row_bytes, 1));
  std::vector<float> rows;
  for (std::size_t slot = 0; slot < piece.slots; ++slot) {
    const std::size_t in_batch = slot % batch;
    if (in_batch == 0) {
      rows.resize(std::min(batch, piece.slots - slot) * identity_.dimension);
      VEXFS_CHECK(read_blob(*volume_, blob, rows_at + slot * row_bytes,
                            std::as_writable_bytes(std::span(rows))));
    }
    NewRow row{.ino = Ino{owners[slot]}, .check = owners[piece.slots + slot]};
    if (identity_.dimension != 0)
      row.values = std::span(rows).subspan(in_batch * identity_.dimension, identity_.dimension);
    VEXFS_CHECK(space.append(row));
  }
  return {};
}

Result<> SpaceStore::load_words(LoadText load_text, const Piece& piece) {
  const auto content =
      read_whole(search_key::piece('t', identity_.id, piece.first), sizeof(PieceRecord));
  if (!content)
    return content.error().code == ENOENT ? Result<>() : std::unexpected(content.error());
  return load_text(as_bytes(*content));
}

Result<> SpaceStore::load(Space& space, LoadText load_text) {
  VEXFS_CHECK(read_pieces());
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto rows = load_rows(space, pieces_[i]);
    const auto words = rows ? load_words(load_text, pieces_[i]) : rows;
    if (words) continue;
    log(Level::warn, "search", "a piece is damaged and is made again",
        {{"space", identity_.id}, {"first", pieces_[i].first}, {"slots", pieces_[i].slots}});
    return drop_from(i);
  }
  return {};
}

Result<> SpaceStore::drop_from(std::size_t index) {
  Transaction transaction;
  for (std::size_t i = index; i < pieces_.size(); ++i) {
    // A reference that does not check frees nothing: fsck finds such blocks.
    for (const char kind : {'r', 't'}) {
      if (!free_piece(transaction, kind, pieces_[i].first))
        transaction.erase(Tree::space, search_key::piece(kind, identity_.id, pieces_[i].first));
    }
  }
  pieces_.resize(index);
  slots_ = pieces_.empty() ? 0 : pieces_.back().first + pieces_.back().slots;
  graph_slots_ = std::min(graph_slots_, slots_);
  if (graph_slots_ < slots_) graph_pieces_ = 0;
  put_record(transaction);
  VEXFS_CHECK(volume_->commit(transaction));
  return {};
}

Result<> SpaceStore::load_graph(Space& space) {
  if (graph_pieces_ == 0) return {};
  return space.load_graph(graph_slots_, [&](std::uint32_t piece) -> Result<std::string> {
    return read_whole(search_key::piece('g', identity_.id, piece), 0);
  });
}

Result<> SpaceStore::free_piece(Transaction& transaction, char kind, std::uint32_t number) {
  const Key key = search_key::piece(kind, identity_.id, number);
  std::string value;
  const auto found = volume_->get(Tree::space, key, value);
  if (!found) return found.error().code == ENOENT ? Result<>() : found;
  const std::size_t header = kind == 'g' || kind == 'e' ? 0 : sizeof(PieceRecord);
  VEXFS_CHECK(free_blob(transaction, as_bytes(value).subspan(header)));
  transaction.erase(Tree::space, key);
  return {};
}

Result<> SpaceStore::write_rows(Transaction& transaction, const Space& space, const Piece& piece) {
  std::vector<std::uint64_t> owners(2 * std::size_t{piece.slots});
  std::vector<Bytes> parts{std::as_bytes(std::span(owners))};
  for (std::uint32_t i = 0; i < piece.slots; ++i) {
    owners[i] = static_cast<std::uint64_t>(space.columns().ino(piece.first + i));
    owners[piece.slots + i] = space.columns().check(piece.first + i);
    if (identity_.dimension != 0)
      parts.push_back(std::as_bytes(std::span(space.row(piece.first + i), identity_.dimension)));
  }
  VEXFS_TRY(const std::string blob, write_blob(*volume_, transaction, parts));
  const PieceRecord record{.slots = piece.slots};
  transaction.put(Tree::space, search_key::piece('r', identity_.id, piece.first),
                  as_bytes(std::string(as_text(bytes_of(record))) + blob));
  return {};
}

Result<> SpaceStore::write_words(Transaction& transaction, const TextIndex& text,
                                 const Piece& piece) {
  const std::string content = text.save(piece.first, piece.first + piece.slots);
  const Bytes parts[] = {as_bytes(content)};
  VEXFS_TRY(const std::string blob, write_blob(*volume_, transaction, parts));
  const PieceRecord record{.slots = piece.slots};
  transaction.put(Tree::space, search_key::piece('t', identity_.id, piece.first),
                  as_bytes(std::string(as_text(bytes_of(record))) + blob));
  return {};
}

void SpaceStore::put_record(Transaction& transaction) const {
  if (in_force_)
    transaction.put(Tree::space, search_key::space(identity_.collection, identity_.kind),
                    as_bytes(encode(identity_, slots_, graph_slots_, graph_pieces_)));
}

Result<> SpaceStore::put_in_force() {
  in_force_ = true;
  Transaction transaction;
  put_record(transaction);
  const auto done = volume_->commit(transaction);
  in_force_ = done.has_value();
  return done ? Result<>() : std::unexpected(done.error());
}

Result<> SpaceStore::save_embedder(Bytes learnt) {
  Saving saving(*volume_);
  const Bytes parts[] = {learnt};
  VEXFS_TRY(const std::string blob, write_blob(*volume_, saving.transaction(), parts));
  saving.transaction().put(Tree::space, search_key::piece('e', identity_.id, 0), as_bytes(blob));
  return saving.commit();
}

Result<std::string> SpaceStore::load_embedder() const {
  return read_whole(search_key::piece('e', identity_.id, 0), 0);
}

Result<std::string> SpaceStore::read_whole(const Key& key, std::size_t header) const {
  std::string value;
  VEXFS_CHECK(volume_->get(Tree::space, key, value));
  const Bytes blob = as_bytes(value).subspan(std::min(header, value.size()));
  VEXFS_TRY(const std::uint64_t bytes, blob_bytes(blob));
  std::string content(bytes, '\0');
  VEXFS_CHECK(read_blob(*volume_, blob, 0, std::as_writable_bytes(std::span(content))));
  return content;
}

Result<> SpaceStore::save_piece(const Space& space, const TextIndex* text, Slot to,
                                SaveOptions options) {
  Saving saving(*volume_);
  Transaction& transaction = saving.transaction();
  const std::uint32_t slots_max = options.slots_max;
  Piece piece{.first = slots_, .slots = std::min(to - slots_, slots_max)};
  std::size_t kept = pieces_.size();
  while (options.merge && kept > 0 && pieces_[kept - 1].slots <= piece.slots &&
         pieces_[kept - 1].slots + piece.slots <= slots_max) {
    --kept;
    piece = {.first = pieces_[kept].first, .slots = pieces_[kept].slots + piece.slots};
  }
  for (std::size_t i = kept; i < pieces_.size(); ++i) {
    VEXFS_CHECK(free_piece(transaction, 'r', pieces_[i].first));
    VEXFS_CHECK(free_piece(transaction, 't', pieces_[i].first));
  }
  VEXFS_CHECK(write_rows(transaction, space, piece));
  if (text) VEXFS_CHECK(write_words(transaction, *text, piece));
  const std::uint32_t before = std::exchange(slots_, piece.first + piece.slots);
  put_record(transaction);
  if (const auto done = saving.commit(); !done) {
    slots_ = before;
    return done;
  }
  pieces_.resize(kept);
  pieces_.push_back(piece);
  return {};
}

Result<> SpaceStore::save(const Space& space, const TextIndex* text, Slot to, Merge merge) {
  static Histogram& took = metrics::histogram("vexfs_index_save_seconds", "Saving new rows");
  if (slots_ >= to) return {};
  Timed timed(took);
  SaveOptions options{.slots_max = piece_slots_max(identity_.dimension),
                      .merge = merge == Merge::allowed};
  while (slots_ < to) {
    const auto saved = save_piece(space, text, to, options);
    if (saved) continue;
    // Free space in small extents: smaller pieces need fewer of them.
    if (saved.error().code != EFBIG || options.slots_max == 1) return saved;
    options.slots_max /= 2;
  }
  return {};
}

Result<> SpaceStore::save_graph(Space& space, bool always) {
  const std::uint32_t grown = space.graphed() - std::min(space.graphed(), graph_slots_);
  if (grown == 0 || (!always && grown < graph_slots_ / 4 + kGraphRowsMin)) return {};
  Saving saving(*volume_);
  Transaction& transaction = saving.transaction();
  std::uint32_t pieces = 0;
  VEXFS_TRY(const std::uint32_t covered, space.save_graph([&](std::uint32_t piece,
                                                              Bytes bytes) -> Result<> {
    VEXFS_CHECK(free_piece(transaction, 'g', piece));
    const Bytes parts[] = {bytes};
    VEXFS_TRY(const std::string blob, write_blob(*volume_, transaction, parts));
    transaction.put(Tree::space, search_key::piece('g', identity_.id, piece), as_bytes(blob));
    pieces = piece + 1;
    return {};
  }));
  VEXFS_ASSERT(covered <= slots_);  // the saver alone grows graphs, and saves the rows first
  const auto before =
      std::pair(std::exchange(graph_slots_, covered), std::exchange(graph_pieces_, pieces));
  put_record(transaction);
  const auto done = saving.commit();
  if (!done) std::tie(graph_slots_, graph_pieces_) = before;
  return done;
}

Result<bool> SpaceStore::remove_pieces(char kind, FunctionRef<bool()> stop) {
  std::vector<std::uint32_t> numbers;
  const Key from = search_key::piece(kind, identity_.id, 0);
  const Key to = search_key::piece(kind, identity_.id + 1, 0);
  VEXFS_CHECK(volume_->scan(Tree::space, from, to, [&](Bytes key, Bytes) {
    KeyReader reader(key);
    reader.u8();
    reader.u32();
    numbers.push_back(reader.u32());
    return true;
  }));
  for (const std::uint32_t number : numbers) {
    if (stop()) return false;
    Transaction transaction;
    VEXFS_CHECK(free_piece(transaction, kind, number));
    VEXFS_CHECK(volume_->commit(transaction, {.freeing = true}));
  }
  return true;
}

Result<bool> SpaceStore::remove_runs(FunctionRef<bool()> stop) {
  constexpr std::size_t kStepRuns = 1000;
  const Key from = search_key::run(identity_.id, Ino{0}, 0);
  const Key to = search_key::run(identity_.id + 1, Ino{0}, 0);
  for (;;) {
    if (stop()) return false;
    Transaction transaction;
    std::size_t runs = 0;
    VEXFS_CHECK(volume_->scan(Tree::vector, from, to, [&](Bytes key, Bytes) {
      transaction.erase(Tree::vector, key);
      return ++runs < kStepRuns;
    }));
    if (runs == 0) return true;
    VEXFS_CHECK(volume_->commit(transaction, {.freeing = true}));
  }
}

Result<bool> SpaceStore::remove(FunctionRef<bool()> stop) {
  for (const char kind : {'g', 't', 'r', 'e'}) {
    VEXFS_TRY(const bool whole, remove_pieces(kind, stop));
    if (!whole) return false;
  }
  VEXFS_TRY(const bool whole, remove_runs(stop));
  if (!whole) return false;
  // Another space may stand under its key by now.
  std::string value;
  SpaceRecord record;
  const Key key = search_key::space(identity_.collection, identity_.kind);
  if (volume_->get(Tree::space, key, value) && read_record(as_bytes(value), record) &&
      record.id == identity_.id) {
    Transaction transaction;
    transaction.erase(Tree::space, key);
    VEXFS_CHECK(volume_->commit(transaction, {.freeing = true}));
  }
  return true;
}

}  // namespace vexfs
