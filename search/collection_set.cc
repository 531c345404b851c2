// SPDX-License-Identifier: Apache-2.0
#include "search/collection_set.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "search/paths.h"

namespace vexfs {

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
    auto stored = std::make_shared<Stored>(
        Stored{.store = std::move(*store), .space = std::make_shared<Space>(identity)});
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
      found->second->set_computed(stored->computed());
    } else {
      found->second->set_user(stored->space);
    }
  }
  for (const auto& orphan : replaced_) spaces_.erase(orphan->space->identity().id);
  return find_orphans();
}

namespace {

// The first space id from `from` on that a key of the tree begins with, after `letter` (0: none).
Result<std::optional<std::uint32_t>> next_space(Volume& volume, Tree tree, char letter,
                                                std::uint32_t from) {
  std::optional<std::uint32_t> found;
  Key key = letter == 0 ? Key() : Key().u8(static_cast<std::uint8_t>(letter));
  const Key to = letter == 0 ? Key() : Key().u8(static_cast<std::uint8_t>(letter + 1));
  VEXFS_CHECK(volume.scan(tree, key.u32(from), to, [&](Bytes its, Bytes) {
    KeyReader reader(its);
    if (letter != 0) reader.u8();
    const std::uint32_t id = reader.u32();
    if (!reader.failed()) found = id;
    return false;
  }));
  return found;
}

}  // namespace

Result<> CollectionSet::find_orphans() {
  // A crash came while a space was made, or before the pieces of one that gave way were freed.
  std::set<std::uint32_t> known;
  for (const auto& [id, stored] : spaces_) known.insert(id);
  for (const auto& replaced : replaced_) known.insert(replaced->space->identity().id);
  const std::pair<Tree, char> places[] = {{Tree::space, 'r'},
                                          {Tree::space, 't'},
                                          {Tree::space, 'g'},
                                          {Tree::space, 'e'},
                                          {Tree::vector, '\0'}};
  for (const auto& [tree, letter] : places) {
    for (std::uint32_t from = 0;;) {
      VEXFS_TRY(const auto id, next_space(volume_, tree, letter, from));
      if (!id) break;
      from = *id + 1;
      if (!known.insert(*id).second) continue;
      const SpaceIdentity identity{.id = *id};
      replaced_.push_back(std::make_shared<Stored>(Stored{
          .store = SpaceStore(volume_, identity), .space = std::make_shared<Space>(identity)}));
    }
  }
  return {};
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

}  // namespace vexfs
