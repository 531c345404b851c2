// SPDX-License-Identifier: Apache-2.0
// CollectionSet: the collections of a volume, their roots, and the making of their spaces.
//
// A file is in the collection of the nearest root above it, computed from parents when it is
// wanted, so a move needs no bookkeeping here.
//
// Threads: any. root_of() calls FileView.
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "search/collection.h"
#include "search/file_view.h"
#include "search/space_store.h"
#include "storage/volume.h"

namespace vexfs {

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
  // One of another embedder gives way; its files are to be indexed again.
  Result<Collection::Computed> computed_space(Collection& collection, std::uint32_t dimension,
                                              const std::string& embedder);

  // By id; null for a space that is no more.
  std::shared_ptr<Space> space(std::uint32_t id) const;
  std::shared_ptr<CollectionText> text_of(std::uint32_t space_id) const;

  // For the saver and the loader, one at a time.
  struct Stored {
    SpaceStore store;
    std::shared_ptr<Space> space;
    std::shared_ptr<CollectionText> text;  // null for a user space
  };
  std::vector<std::shared_ptr<Stored>> stored() const;
  // Spaces that gave way; their pieces are for the saver to give back.
  std::vector<std::shared_ptr<Stored>> take_replaced();

 private:
  Result<std::shared_ptr<Stored>> make_space(SpaceIdentity identity) REQUIRES(making_);
  Result<> find_orphans() REQUIRES(mutex_);
  void replace(std::uint32_t id) REQUIRES(mutex_);

  Volume& volume_;
  Mutex making_{Rank::engine};  // one space is made at a time; held while committing
  mutable Mutex mutex_{Rank::space};
  std::map<Ino, std::shared_ptr<Collection>> collections_ GUARDED_BY(mutex_);
  std::map<std::uint32_t, std::shared_ptr<Stored>> spaces_ GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Stored>> replaced_ GUARDED_BY(mutex_);
  std::uint32_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace vexfs
