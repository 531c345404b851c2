// SPDX-License-Identifier: Apache-2.0
// SpaceStore: a space on the volume. Slots [0, saved) stand in pieces of consecutive slots, each
// one immutable blob; a save appends a piece (and merges the last ones when they are no larger
// than it, so their number stays logarithmic). Nothing is ever rewritten as a whole.
//
// Always: the space's record, its pieces and their blobs change in one transaction. A crash
// leaves the last saved high-water mark; slots behind it are void.
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

  SpaceStore(Volume& volume, SpaceIdentity identity)
      : volume_(&volume), identity_(std::move(identity)) {}

  const SpaceIdentity& identity() const { return identity_; }
  std::uint32_t saved() const { return slots_; }

  // Fills an empty space with all that is saved, every slot dead; pieces of text go
  // to `load_text`.
  // From the first damaged piece on all are dropped; their owners are indexed again.
  using LoadText = FunctionRef<Result<>(Bytes piece)>;
  Result<> load(Space& space, LoadText load_text);
  // After the live slots were revived. EUCLEAN: the graph is to be built again.
  Result<> load_graph(Space& space);

  // Saves slots [saved(), to) in as many transactions as it takes; `text` may be null.
  Result<> save(const Space& space, const TextIndex* text, Slot to);
  // Saves the graph when it has grown much since it was saved, or `always` when it grew at all.
  Result<> save_graph(Space& space, bool always);
  // Gives everything back; in steps, the record last.
  Result<> remove();

 private:
  struct Piece {
    Slot first = 0;
    std::uint32_t slots = 0;
  };
  Result<> read_pieces();
  Result<> drop_from(std::size_t index);
  Result<> load_rows(Space& space, const Piece& piece);
  Result<> load_words(LoadText load_text, const Piece& piece);
  Result<> save_piece(const Space& space, const TextIndex* text, Slot to, std::uint32_t slots_max);
  Result<> write_words(Transaction& transaction, const TextIndex& text, const Piece& piece);
  Result<> write_rows(Transaction& transaction, const Space& space, const Piece& piece);
  Result<> free_piece(Transaction& transaction, char kind, std::uint32_t number);

  Volume* volume_;
  SpaceIdentity identity_;
  std::uint32_t slots_ = 0;
  std::uint32_t graph_slots_ = 0;
  std::uint32_t graph_pieces_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace vexfs
