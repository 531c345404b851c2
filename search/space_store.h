// SPDX-License-Identifier: Apache-2.0
// SpaceStore: a space on the volume. Slots [0, saved) stand in pieces of consecutive slots, each
// one immutable blob; a save appends a piece (and merges the last ones when they are no larger
// than it, so their number stays logarithmic). Nothing is ever rewritten as a whole.
//
// Always: the space's record, its pieces and their blobs change in one transaction. A crash
// leaves the last saved high-water mark; slots behind it are void. A space that is not in force
// has no record, so a crash leaves orphans, which CollectionSet finds.
// Threads: one at a time for a space (the saver, or the loader before it).
#pragma once
#include <string>
#include <vector>

#include "search/space.h"
#include "search/text_index.h"
#include "storage/volume.h"

namespace vexfs {

class SpaceStore {
 public:
  // A space that is new: its record is put into `transaction`.
  static std::string encode(const SpaceIdentity& identity, std::uint32_t slots,
                            std::uint32_t graph_slots, std::uint32_t graph_pieces);
  // From a pair of Tree::space that starts with 's'. EUCLEAN.
  static Result<SpaceStore> decode(Volume& volume, Bytes key, Bytes value);

  // `in_force`: its record stands under the collection's key and follows each save.
  struct Options {
    bool in_force = true;
  };
  SpaceStore(Volume& volume, SpaceIdentity identity)
      : SpaceStore(volume, std::move(identity), {}) {}
  SpaceStore(Volume& volume, SpaceIdentity identity, Options options)
      : volume_(&volume), identity_(std::move(identity)), in_force_(options.in_force) {}

  const SpaceIdentity& identity() const { return identity_; }
  std::uint32_t saved() const { return slots_; }

  // Fills an empty space with all that is saved, every slot dead; pieces of text go
  // to `load_text`.
  // From the first damaged piece on all are dropped; their owners are indexed again.
  using LoadText = FunctionRef<Result<>(Bytes piece)>;
  Result<> load(Space& space, LoadText load_text);
  // After the live slots were revived. EUCLEAN: the graph is to be built again.
  Result<> load_graph(Space& space);

  // Saves slots [saved(), to) in as many transactions as it takes; `text` may be null. Without
  // merging it costs no more than what is new, and leaves the pieces to the next save.
  enum class Merge : bool { allowed, never };
  Result<> save(const Space& space, const TextIndex* text, Slot to, Merge merge = Merge::allowed);
  // Saves the graph when it has grown much since it was saved, or `always` when it grew at all.
  Result<> save_graph(Space& space, bool always);
  // What the space's embedder has learnt: a blob beside the pieces. ENOENT.
  Result<> save_embedder(Bytes learnt);
  Result<std::string> load_embedder() const;
  // The record of what is saved, under the collection's key: from here on it is the one in force.
  Result<> put_in_force();
  // Gives everything back, the runs of its files, too; in steps, the record last. False: `stop`
  // ended it between two of them.
  Result<bool> remove(FunctionRef<bool()> stop);

 private:
  struct Piece {
    Slot first = 0;
    std::uint32_t slots = 0;
  };
  Result<> read_pieces();
  Result<> drop_from(std::size_t index);
  Result<> load_rows(Space& space, const Piece& piece);
  Result<> load_words(LoadText load_text, const Piece& piece);
  Result<bool> remove_pieces(char kind, FunctionRef<bool()> stop);
  Result<bool> remove_runs(FunctionRef<bool()> stop);
  Result<std::string> read_whole(const Key& key, std::size_t header) const;
  void put_record(Transaction& transaction) const;
  struct SaveOptions {
    std::uint32_t slots_max = 0;
    bool merge = true;
  };
  Result<> save_piece(const Space& space, const TextIndex* text, Slot to, SaveOptions options);
  Result<> write_words(Transaction& transaction, const TextIndex& text, const Piece& piece);
  Result<> write_rows(Transaction& transaction, const Space& space, const Piece& piece);
  Result<> free_piece(Transaction& transaction, char kind, std::uint32_t number);

  Volume* volume_;
  SpaceIdentity identity_;
  bool in_force_ = true;
  std::uint32_t slots_ = 0;
  std::uint32_t graph_slots_ = 0;
  std::uint32_t graph_pieces_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace vexfs
