// SPDX-License-Identifier: Apache-2.0
// Collection: a root directory's settings and what is indexed under them. The user space exists
// from the first vector on, the computed one (with the text index beside it, slot for slot) from
// the first chunk on.
//
// Threads: any. What the getters return stays valid while it is held, also when a space has been
// replaced meanwhile; its owner notices by comparing identities.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "search/collection_settings.h"
#include "search/embedder.h"
#include "search/space.h"
#include "search/text_index.h"

namespace vexfs {

// CollectionText: the text index beside a computed space, slot for slot.
// Always: a slot below whole_size() has its words.
class CollectionText {
 public:
  const TextIndex& index() const { return index_; }
  Result<Slot> append(Space& space, const NewRow& row, const TermBag& terms) {
    Lock lock(writing_);
    VEXFS_TRY(const Slot slot, space.append(row));
    index_.add(slot, terms);
    return slot;
  }
  Slot whole_size(const Space& space) {
    Lock lock(writing_);
    return space.size();
  }
  void erase(Slot slot) {
    Lock lock(writing_);
    index_.erase(slot);
  }
  Result<> load(Bytes piece) {
    Lock lock(writing_);
    return index_.load(piece);
  }

 private:
  TextIndex index_;
  Mutex writing_{Rank::engine};
};

class Collection {
 public:
  // Taken together, so that a question's vector is of the rows' own embedder.
  struct Computed {
    std::shared_ptr<Space> space;
    std::shared_ptr<CollectionText> text;
    std::shared_ptr<const Embedder> embedder;  // null: chunks have no vectors
  };
  struct OwnVector {
    std::shared_ptr<Space> space;  // null: none
    Slot slot = kNoSlot;
  };
  using OwnSlots = std::unordered_map<Ino, Slot>;

  Collection(Ino root, CollectionSettings settings) : root_(root), settings_(std::move(settings)) {}

  Ino root() const { return root_; }
  CollectionSettings settings() const {
    Lock lock(mutex_);
    return settings_;
  }
  void set_settings(CollectionSettings settings) {
    Lock lock(mutex_);
    settings_ = std::move(settings);
  }

  std::shared_ptr<Space> user() const {
    Lock lock(mutex_);
    return user_;
  }
  void set_user(std::shared_ptr<Space> space, OwnSlots own = {}) {
    Lock lock(mutex_);
    user_ = std::move(space);
    own_ = std::move(own);
  }
  Computed computed() const {
    Lock lock(mutex_);
    return computed_;
  }
  void set_computed(Computed computed) {
    Lock lock(mutex_);
    computed_ = std::move(computed);
  }

  // Vectors set by hand, by the slot they have in the user space.
  OwnVector own_vector(Ino ino) const {
    Lock lock(mutex_);
    const auto found = own_.find(ino);
    return found == own_.end() ? OwnVector{} : OwnVector{.space = user_, .slot = found->second};
  }
  bool has_own_vector(Ino ino) const {
    Lock lock(mutex_);
    return own_.contains(ino);
  }
  std::vector<Ino> own_vectors() const {
    Lock lock(mutex_);
    std::vector<Ino> all;
    for (const auto& [ino, slot] : own_) all.push_back(ino);
    return all;
  }
  void set_own_vector(Ino ino, Slot slot) {
    Lock lock(mutex_);
    own_[ino] = slot;
  }
  void erase_own_vector(Ino ino) {
    Lock lock(mutex_);
    own_.erase(ino);
  }

 private:
  const Ino root_;
  mutable Mutex mutex_;
  CollectionSettings settings_ GUARDED_BY(mutex_);
  std::shared_ptr<Space> user_ GUARDED_BY(mutex_);
  Computed computed_ GUARDED_BY(mutex_);
  OwnSlots own_ GUARDED_BY(mutex_);
};

}  // namespace vexfs
