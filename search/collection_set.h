// SPDX-License-Identifier: Apache-2.0
// CollectionSet: the collections of a volume, their roots, and the making of their spaces.
//
// A file is in the collection of the nearest root above it, computed from parents when it is
// wanted, so a move needs no bookkeeping here.
//
// Locks, outermost first: saving(), making_, a space's gate, mutex_.
// Threads: any. of_directory() and of_file() call FileView.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "search/collection.h"
#include "search/embedders.h"
#include "search/file_view.h"
#include "search/space_store.h"
#include "storage/volume.h"

namespace vexfs {

inline constexpr std::string_view kNextSpaceKey = "search.next_space";  // in Tree::meta

class CollectionSet {
 public:
  explicit CollectionSet(Volume& volume) : volume_(volume) {}

  // Reads settings and the records of spaces; the spaces are made, empty.
  Result<> open();

  std::size_t count() const;  // at least 1
  std::set<Ino> roots() const;
  std::vector<std::shared_ptr<Collection>> all() const;  // by root
  std::shared_ptr<Collection> find(Ino root) const;      // null: no root
  // Of the files in `directory`; the volume's root when it has just gone.
  std::shared_ptr<Collection> of_directory(FileView& files, Ino directory) const;
  // Of the file by its first name; null when it has none.
  std::shared_ptr<Collection> of_file(FileView& files, Ino file) const;

  // Makes or changes a root: log_*() adds the records, and once they are committed the other
  // takes effect. The volume's root that is erased keeps its place with default settings.
  static void log_put(Transaction& transaction, Ino root, const CollectionSettings& settings);
  void put(Ino root, CollectionSettings settings);
  static void log_erase(Transaction& transaction, Ino root);
  void erase(Ino root);

  // The collection's space, made when there is none with this dimension (and metric). One that
  // is not in use gives way to it. EINVAL: it is. While the pointer is held, the space is in use.
  Result<std::shared_ptr<Space>> user_space(Collection& collection, std::uint32_t dimension,
                                            Metric metric);
  // The one there is, whatever its embedder; else a new one for `first` (null: no vectors).
  Result<Collection::Computed> computed_space(Collection& collection,
                                              std::shared_ptr<const Embedder> first);

  // What the spaces in force hold, text included.
  std::size_t memory_bytes() const;

  // For the saver and the loader, one at a time.
  struct Stored {
    SpaceStore store;
    std::shared_ptr<Space> space;
    std::shared_ptr<CollectionText> text = nullptr;  // null for a user space
    std::shared_ptr<const Embedder> embedder = nullptr;
    Collection::Computed computed() const {
      return {.space = space, .text = text, .embedder = embedder};
    }
  };
  std::vector<std::shared_ptr<Stored>> stored() const;
  // The embedder of a computed space, as it was saved with it. Without it its rows are good for
  // nothing but their words, until they are made again.
  Result<> load_embedder(Stored& stored, const Embedders& embedders);
  // Held by who saves spaces, so that none is saved that is not in force.
  Mutex& saving() { return saving_; }

  // A space to be made beside the one in force and unknown to all but the caller; a crash erases
  // it. `identity` without its id; `learnt`: what the embedder saved, empty for none.
  Result<std::shared_ptr<Stored>> begin_space(SpaceIdentity identity,
                                              std::shared_ptr<const Embedder> embedder,
                                              std::string_view learnt);
  // Puts `next` in the place of `before`, in one transaction. `last` runs while nothing changes
  // and returns the vectors set by hand in `next`, every row of which is saved then.
  // kReplaced: `before` is not in force any more, `next` is for give_up().
  using LastLook = FunctionRef<Result<Collection::OwnSlots>()>;
  Result<> switch_space(const std::shared_ptr<Stored>& before, const std::shared_ptr<Stored>& next,
                        LastLook last);
  // `stored` is for nobody: its pieces are given back by remove_replaced().
  void give_up(std::shared_ptr<Stored> stored);
  // Frees what the spaces that gave way hold on the volume, in steps; `stop` ends it between two.
  Result<> remove_replaced(FunctionRef<bool()> stop);
  std::size_t replaced() const;

 private:
  Result<std::shared_ptr<Stored>> make_space(SpaceIdentity identity,
                                             std::shared_ptr<const Embedder> embedder)
      REQUIRES(making_);
  Result<std::uint32_t> next_id(Transaction& transaction);
  bool in_force(const Stored& stored) const REQUIRES(mutex_);
  Result<> find_orphans() REQUIRES(mutex_);
  void replace(std::uint32_t id) REQUIRES(mutex_);

  Volume& volume_;
  Mutex saving_{Rank::engine};
  Mutex making_{Rank::engine};  // one space is made at a time; held while committing
  mutable Mutex mutex_{Rank::space};
  std::map<Ino, std::shared_ptr<Collection>> collections_ GUARDED_BY(mutex_);
  std::map<std::uint32_t, std::shared_ptr<Stored>> spaces_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Stored>> replaced_ GUARDED_BY(mutex_);
  std::uint32_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace vexfs
