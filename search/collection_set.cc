// SPDX-License-Identifier: Apache-2.0
#include "search/collection_set.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace vexfs {

namespace {

constexpr std::string_view kNextSpaceKey = "search.next_space";
constexpr int kDepthMax = 2048;  // a path has at most 4096 bytes; a longer chain is a loop

}  // namespace

Result<> CollectionSet::open() {
  Lock lock(mutex_);
  bool damaged = false;
  collections_[kRootIno] = std::make_shared<Collection>(kRootIno, CollectionSettings{});
  VEXFS_CHECK(volume_.scan(Tree::collection, {}, {}, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const Ino root{reader.u64()};
    auto settings = decode_settings(value);
    damaged |= reader.failed() || !settings;
    if (!damaged) collections_[root] = std::make_shared<Collection>(root, std::move(*settings));
    return true;
  }));
  const Key from = search_key::space(Ino{0}, SpaceKind::user);
  const Key to = Key().u8('s' + 1);
  VEXFS_CHECK(volume_.scan(Tree::space, from, to, [&](Bytes key, Bytes value) {
    auto store = SpaceStore::decode(volume_, key, value);
    damaged |= !store;
    if (!store) return true;
    const SpaceIdentity identity = store->identity();
    auto stored = std::make_shared<Stored>(Stored{
        .store = std::move(*store), .space = std::make_shared<Space>(identity), .text = nullptr});
    if (identity.kind == SpaceKind::computed) stored->text = std::make_shared<CollectionText>();
    spaces_[identity.id] = stored;
    next_id_ = std::max(next_id_, identity.id + 1);
    return true;
  }));
  if (damaged) log(Level::error, "search", "a record of a collection or space is damaged");
  std::string next;
  if (volume_.get(Tree::meta, as_bytes(kNextSpaceKey), next) && next.size() == sizeof(le32)) {
    le32 stored;
    std::memcpy(&stored, next.data(), sizeof stored);
    next_id_ = std::max<std::uint32_t>(next_id_, stored);
  }
  for (const auto& [id, stored] : spaces_) {
    const auto found = collections_.find(stored->space->identity().collection);
    if (found == collections_.end()) {
      replaced_.push_back(stored);
    } else if (stored->text) {
      found->second->set_computed({.space = stored->space, .text = stored->text});
    } else {
      found->second->set_user(stored->space);
    }
  }
  for (const auto& orphan : replaced_) spaces_.erase(orphan->space->identity().id);
  return find_orphans();
}

Result<> CollectionSet::find_orphans() {
  // A space gave way and a crash came before its pieces were given back.
  const Key from = search_key::piece('r', 0, 0);
  const Key to = Key().u8('r' + 1);
  return volume_.scan(Tree::space, from, to, [&](Bytes key, Bytes) {
    KeyReader reader(key);
    reader.u8();
    const SpaceIdentity identity{.id = reader.u32()};
    const bool known =
        spaces_.contains(identity.id) || std::ranges::any_of(replaced_, [&](const auto& replaced) {
          return replaced->space->identity().id == identity.id;
        });
    if (!reader.failed() && !known)
      replaced_.push_back(
          std::make_shared<Stored>(Stored{.store = SpaceStore(volume_, identity),
                                          .space = std::make_shared<Space>(identity),
                                          .text = nullptr}));
    return true;
  });
}

std::size_t CollectionSet::count() const {
  Lock lock(mutex_);
  return collections_.size();
}

std::set<Ino> CollectionSet::roots() const {
  Lock lock(mutex_);
  std::set<Ino> roots;
  for (const auto& [root, collection] : collections_) roots.insert(root);
  return roots;
}

std::vector<std::shared_ptr<Collection>> CollectionSet::all() const {
  Lock lock(mutex_);
  std::vector<std::shared_ptr<Collection>> all;
  for (const auto& [root, collection] : collections_) all.push_back(collection);
  return all;
}

std::shared_ptr<Collection> CollectionSet::find(Ino root) const {
  Lock lock(mutex_);
  const auto found = collections_.find(root);
  return found == collections_.end() ? nullptr : found->second;
}

std::shared_ptr<Collection> CollectionSet::of_directory(FileView& files, Ino directory) const {
  for (int depth = 0; depth < kDepthMax && directory != kRootIno; ++depth) {
    if (auto collection = find(directory)) return collection;
    const auto parent = files.parent(directory);
    if (!parent) break;
    directory = *parent;
  }
  return find(kRootIno);
}

std::shared_ptr<Collection> CollectionSet::of_file(FileView& files, Ino file) const {
  Ino directory{};
  const auto listed = files.names(file, [&](Ino parent, std::string_view) {
    directory = parent;
    return false;
  });
  if (!listed || directory == Ino{}) return nullptr;
  return of_directory(files, directory);
}

void CollectionSet::log_put(Transaction& transaction, Ino root,
                            const CollectionSettings& settings) {
  transaction.put(Tree::collection, search_key::collection(root),
                  as_bytes(encode_settings(settings)));
}

void CollectionSet::put(Ino root, CollectionSettings settings) {
  Lock lock(mutex_);
  auto& collection = collections_[root];
  if (collection)
    collection->set_settings(std::move(settings));
  else
    collection = std::make_shared<Collection>(root, std::move(settings));
}

void CollectionSet::log_erase(Transaction& transaction, Ino root) {
  transaction.erase(Tree::collection, search_key::collection(root));
  if (root == kRootIno) return;
  // Their pieces are orphans from here on; see find_orphans().
  transaction.erase(Tree::space, search_key::space(root, SpaceKind::user));
  transaction.erase(Tree::space, search_key::space(root, SpaceKind::computed));
}

void CollectionSet::erase(Ino root) {
  Lock lock(mutex_);
  const auto found = collections_.find(root);
  if (found == collections_.end()) return;
  const auto erased = found->second;
  if (root == kRootIno) {
    erased->set_settings({});
    return;
  }
  collections_.erase(found);
  if (const auto user = erased->user()) replace(user->identity().id);
  if (const auto computed = erased->computed(); computed.space)
    replace(computed.space->identity().id);
}

void CollectionSet::replace(std::uint32_t id) {
  const auto found = spaces_.find(id);
  if (found == spaces_.end()) return;
  replaced_.push_back(found->second);
  spaces_.erase(found);
}

Result<std::shared_ptr<CollectionSet::Stored>> CollectionSet::make_space(SpaceIdentity identity) {
  {
    Lock lock(mutex_);
    identity.id = next_id_++;
  }
  Transaction transaction;
  transaction.put(Tree::space, search_key::space(identity.collection, identity.kind),
                  as_bytes(SpaceStore::encode(identity, 0, 0, 0)));
  transaction.put(Tree::meta, as_bytes(kNextSpaceKey), bytes_of(le32(identity.id + 1)));
  VEXFS_CHECK(volume_.commit(transaction));
  auto made = std::make_shared<Stored>(Stored{.store = SpaceStore(volume_, identity),
                                              .space = std::make_shared<Space>(identity),
                                              .text = nullptr});
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
                                         .embedder = {}}));
  auto pinned = Space::pin(made->space);
  collection.set_user(made->space);
  if (present) {
    Lock lock(mutex_);
    replace(present->identity().id);
  }
  return pinned;
}

Result<Collection::Computed> CollectionSet::computed_space(Collection& collection,
                                                           std::uint32_t dimension,
                                                           const std::string& embedder) {
  Lock making(making_);
  const auto present = collection.computed();
  if (present.space && present.space->identity().dimension == dimension &&
      present.space->identity().embedder == embedder)
    return present;
  VEXFS_TRY(const auto made, make_space({.collection = collection.root(),
                                         .kind = SpaceKind::computed,
                                         .dimension = dimension,
                                         .metric = Metric::cosine,
                                         .embedder = embedder}));
  const Collection::Computed computed{.space = made->space, .text = made->text};
  collection.set_computed(computed);
  if (present.space) {
    Lock lock(mutex_);
    replace(present.space->identity().id);
  }
  return computed;
}

std::shared_ptr<Space> CollectionSet::space(std::uint32_t id) const {
  Lock lock(mutex_);
  const auto found = spaces_.find(id);
  return found == spaces_.end() ? nullptr : found->second->space;
}

std::shared_ptr<CollectionText> CollectionSet::text_of(std::uint32_t space_id) const {
  Lock lock(mutex_);
  const auto found = spaces_.find(space_id);
  return found == spaces_.end() ? nullptr : found->second->text;
}

std::vector<std::shared_ptr<CollectionSet::Stored>> CollectionSet::stored() const {
  Lock lock(mutex_);
  std::vector<std::shared_ptr<Stored>> all;
  for (const auto& [id, stored] : spaces_) all.push_back(stored);
  return all;
}

std::vector<std::shared_ptr<CollectionSet::Stored>> CollectionSet::take_replaced() {
  Lock lock(mutex_);
  return std::exchange(replaced_, {});
}

}  // namespace vexfs
