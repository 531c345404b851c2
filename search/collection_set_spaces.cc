// SPDX-License-Identifier: Apache-2.0
// CollectionSet: how spaces come, give way to each other, and go.
#include <utility>

#include "base/log.h"
#include "search/collection_set.h"
#include "search/local_embedder.h"

namespace vexfs {

namespace {

std::string identity_of(const Embedder* embedder) {
  return embedder ? embedder->identity() : "none";
}

}  // namespace

void CollectionSet::replace(std::uint32_t id) {
  const auto found = spaces_.find(id);
  if (found == spaces_.end()) return;
  replaced_.push_back(found->second);
  spaces_.erase(found);
}

Result<std::uint32_t> CollectionSet::next_id(Transaction& transaction) {
  Lock lock(mutex_);
  const std::uint32_t id = next_id_++;
  transaction.put(Tree::meta, as_bytes(kNextSpaceKey), bytes_of(le32(id + 1)));
  return id;
}

Result<std::shared_ptr<CollectionSet::Stored>> CollectionSet::make_space(
    SpaceIdentity identity, std::shared_ptr<const Embedder> embedder) {
  Transaction transaction;
  VEXFS_TRY(identity.id, next_id(transaction));
  transaction.put(Tree::space, search_key::space(identity.collection, identity.kind),
                  as_bytes(SpaceStore::encode(identity, 0, 0, 0)));
  VEXFS_CHECK(volume_.commit(transaction));
  auto made = std::make_shared<Stored>(Stored{.store = SpaceStore(volume_, identity),
                                              .space = std::make_shared<Space>(identity),
                                              .embedder = std::move(embedder)});
  if (identity.kind == SpaceKind::computed) made->text = std::make_shared<CollectionText>();
  log(Level::info, "search", "new space",
      {{"space", identity.id},
       {"collection", static_cast<std::uint64_t>(identity.collection)},
       {"dimension", identity.dimension}});
  Lock lock(mutex_);
  spaces_[identity.id] = made;
  return made;
}

Result<std::shared_ptr<Space>> CollectionSet::user_space(Collection& collection,
                                                         std::uint32_t dimension, Metric metric) {
  Lock making(making_);
  const auto present = collection.user();
  if (present && present->identity().dimension == dimension && present->identity().metric == metric)
    return Space::pin(present);
  if (present && present->in_use())
    return fail(EINVAL, "collection: its vectors have another dimension or metric");
  VEXFS_TRY(const auto made, make_space({.collection = collection.root(),
                                         .kind = SpaceKind::user,
                                         .dimension = dimension,
                                         .metric = metric,
                                         .embedder = {}},
                                        nullptr));
  auto pinned = Space::pin(made->space);
  collection.set_user(made->space);
  if (present) {
    Lock lock(mutex_);
    replace(present->identity().id);
  }
  return pinned;
}

Result<Collection::Computed> CollectionSet::computed_space(Collection& collection,
                                                           std::shared_ptr<const Embedder> first) {
  Lock making(making_);
  if (auto present = collection.computed(); present.space) return present;
  VEXFS_TRY(const auto made, make_space({.collection = collection.root(),
                                         .kind = SpaceKind::computed,
                                         .dimension = first ? first->dimension() : 0,
                                         .metric = Metric::cosine,
                                         .embedder = identity_of(first.get())},
                                        first));
  collection.set_computed(made->computed());
  return made->computed();
}

Result<> CollectionSet::load_embedder(Stored& stored, const Embedders& embedders) {
  const SpaceIdentity& identity = stored.space->identity();
  if (identity.kind == SpaceKind::user || identity.embedder == "none") return {};
  auto embedder = embedders.of_identity(identity.embedder, identity.dimension);
  if (!embedder) {
    if (Embedders::name_in(identity.embedder) != "local")
      return fail(ENODEV, "space: its embedder is not defined any more");
    VEXFS_TRY(const std::string saved, stored.store.load_embedder());
    VEXFS_TRY(embedder, LocalEmbedder::load(as_bytes(saved)));
  }
  if (embedder->identity() != identity.embedder || embedder->dimension() != identity.dimension)
    return fail(EUCLEAN, "space: its embedder is another one");
  stored.embedder = std::move(embedder);
  if (const auto collection = find(identity.collection))
    collection->set_computed(stored.computed());
  return {};
}

std::vector<std::shared_ptr<CollectionSet::Stored>> CollectionSet::stored() const {
  Lock lock(mutex_);
  std::vector<std::shared_ptr<Stored>> all;
  for (const auto& [id, stored] : spaces_) all.push_back(stored);
  return all;
}

std::size_t CollectionSet::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& stored : stored()) {
    bytes += stored->space->memory_bytes();
    if (stored->text) bytes += stored->text->index().memory_bytes();
  }
  return bytes;
}

Result<std::shared_ptr<CollectionSet::Stored>> CollectionSet::begin_space(
    SpaceIdentity identity, std::shared_ptr<const Embedder> embedder, std::string_view learnt) {
  Transaction transaction;
  VEXFS_TRY(identity.id, next_id(transaction));
  VEXFS_CHECK(volume_.commit(transaction));  // before anything stands under it
  identity.embedder = identity.kind == SpaceKind::user ? "" : identity_of(embedder.get());
  auto made =
      std::make_shared<Stored>(Stored{.store = SpaceStore(volume_, identity, {.in_force = false}),
                                      .space = std::make_shared<Space>(identity),
                                      .embedder = std::move(embedder)});
  if (identity.kind == SpaceKind::computed) made->text = std::make_shared<CollectionText>();
  if (!learnt.empty()) VEXFS_CHECK(made->store.save_embedder(as_bytes(learnt)));
  return made;
}

bool CollectionSet::in_force(const Stored& stored) const {
  const SpaceIdentity& identity = stored.space->identity();
  const auto found = collections_.find(identity.collection);
  if (found == collections_.end() || !spaces_.contains(identity.id)) return false;
  const auto present =
      identity.kind == SpaceKind::user ? found->second->user() : found->second->computed().space;
  return present == stored.space;
}

Result<> CollectionSet::switch_space(const std::shared_ptr<Stored>& before,
                                     const std::shared_ptr<Stored>& next, LastLook last) {
  const auto replaced = [] { return fail(kReplaced, "space: it gave way meanwhile"); };
  Lock saving(saving_);
  Lock making(making_);
  SpaceSwitch switching(before->space->gate());
  {
    Lock lock(mutex_);
    if (!in_force(*before)) return replaced();
  }
  VEXFS_TRY(Collection::OwnSlots own, last());
  VEXFS_CHECK(next->store.put_in_force());
  switching.retire();
  Lock lock(mutex_);
  // Its root may have gone while the record was put: then the pieces go, and the record with them.
  if (!in_force(*before)) return replaced();
  const SpaceIdentity& identity = next->space->identity();
  Collection& collection = *collections_.find(identity.collection)->second;
  if (identity.kind == SpaceKind::user)
    collection.set_user(next->space, std::move(own));
  else
    collection.set_computed(next->computed());
  spaces_[identity.id] = next;
  replace(before->space->identity().id);
  return {};
}

void CollectionSet::give_up(std::shared_ptr<Stored> stored) {
  Lock lock(mutex_);
  replaced_.push_back(std::move(stored));
}

std::size_t CollectionSet::replaced() const {
  Lock lock(mutex_);
  return replaced_.size();
}

Result<> CollectionSet::remove_replaced(FunctionRef<bool()> stop) {
  for (;;) {
    std::shared_ptr<Stored> last;
    {
      Lock lock(mutex_);
      if (replaced_.empty() || stop()) return {};
      last = replaced_.back();
    }
    {
      Lock saving(saving_);
      VEXFS_TRY(const bool whole, last->store.remove(stop));
      if (!whole) return {};
    }
    Lock lock(mutex_);
    std::erase(replaced_, last);
  }
}

}  // namespace vexfs
