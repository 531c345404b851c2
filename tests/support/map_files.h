// SPDX-License-Identifier: Apache-2.0
// MapFiles: files by definition, on std::map, for tests of what stands above FileView. It tells a
// ContentIndex of each change in the order that fs keeps: transaction, commit, then the news.
// Threads: any, one lock; it is never held while the index is called.
#pragma once
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "search/content_index.h"
#include "search/file_view.h"
#include "storage/volume.h"

namespace vexfs {

class MapFiles final : public FileView {
 public:
  explicit MapFiles(Volume& volume) : volume_(volume) {
    nodes_[kRootIno] = {.facts = {.mode = S_IFDIR | 0755, .links = 2}, .parent = kRootIno};
  }
  // The next engine on the same files; null: nobody listens.
  void tell(ContentIndex* index) { index_ = index; }

  // --- changing, as a program would through a mount
  Ino mkdir(Ino parent, const std::string& name, mode_t mode = 0755) {
    Lock lock(mutex_);
    const Ino ino{next_++};
    nodes_[ino] = {.facts = {.mode = S_IFDIR | mode, .links = 2}, .parent = parent, .name = name};
    by_name_[{parent, name}] = ino;
    return ino;
  }
  Ino create(Ino parent, const std::string& name, std::string_view content, mode_t mode = 0644,
             uid_t uid = 0) {
    Ino ino{};
    {
      Lock lock(mutex_);
      ino = Ino{next_++};
      nodes_[ino] = {.facts = {.mode = S_IFREG | mode, .uid = uid, .links = 1},
                     .parent = parent,
                     .name = name};
      by_name_[{parent, name}] = ino;
    }
    if (index_) index_->moved(ino, Ino{}, parent);
    write(ino, content);
    return ino;
  }
  // Replaces the content and closes the file.
  void write(Ino ino, std::string_view content) {
    write_open(ino, content);
    if (index_) index_->closed(ino);
  }
  void write_open(Ino ino, std::string_view content) {
    Transaction transaction;
    std::uint64_t generation = 0;
    {
      Lock lock(mutex_);
      Node& node = nodes_.at(ino);
      node.content = content;
      node.facts.size = content.size();
      node.facts.generation = generation = ++generation_;
      node.facts.mtime.tv_sec = static_cast<time_t>(generation);
    }
    if (!index_) return;
    index_->log_changed(transaction, ino, generation);
    commit(transaction);
    index_->changed(ino);
  }
  void rename(Ino ino, Ino to, const std::string& name) {
    Ino from{};
    Transaction transaction;
    {
      Lock lock(mutex_);
      from = nodes_.at(ino).parent;
    }
    if (index_) index_->log_moved(transaction, ino, from, to);
    commit(transaction);
    {
      Lock lock(mutex_);
      Node& node = nodes_.at(ino);
      by_name_.erase({node.parent, node.name});
      node.parent = to;
      node.name = name;
      by_name_[{to, name}] = ino;
    }
    if (index_) index_->moved(ino, from, to);
  }
  // Another name of the same file.
  void link(Ino ino, Ino parent, const std::string& name) {
    {
      Lock lock(mutex_);
      Node& node = nodes_.at(ino);
      node.links.emplace_back(parent, name);
      by_name_[{parent, name}] = ino;
      ++node.facts.links;
    }
    if (index_) index_->moved(ino, Ino{}, parent);
  }
  // The first name goes, others stay.
  void unlink_first(Ino ino) {
    Transaction transaction;
    Ino from{};
    {
      Lock lock(mutex_);
      from = nodes_.at(ino).parent;
    }
    if (index_) index_->log_moved(transaction, ino, from, Ino{});
    commit(transaction);
    {
      Lock lock(mutex_);
      Node& node = nodes_.at(ino);
      by_name_.erase({node.parent, node.name});
      std::tie(node.parent, node.name) = node.links.front();
      node.links.erase(node.links.begin());
      --node.facts.links;
    }
    if (index_) index_->moved(ino, from, Ino{});
  }
  void unlink(Ino ino) {
    Transaction transaction;
    if (index_) index_->log_removed(transaction, ino);
    commit(transaction);
    {
      Lock lock(mutex_);
      for (const auto& name : all_names(nodes_.at(ino))) by_name_.erase(name);
      nodes_.erase(ino);
    }
    if (index_) index_->removed(ino);
  }
  void chmod(Ino ino, mode_t mode) {
    Lock lock(mutex_);
    Node& node = nodes_.at(ino);
    node.facts.mode = (node.facts.mode & S_IFMT) | mode;
  }
  void set_vector(Ino ino, const std::vector<float>& vector) {
    Transaction transaction;
    if (index_) index_->log_vector(transaction, ino);
    commit(transaction);
    {
      Lock lock(mutex_);
      std::string& value = nodes_.at(ino).vector;
      value.resize(vector.size() * sizeof(float));
      if (!vector.empty()) std::memcpy(value.data(), vector.data(), value.size());
    }
    if (index_) index_->vector_set(ino, vector);
  }
  std::uint64_t reads() const {
    Lock lock(mutex_);
    return reads_;
  }

  // --- FileView
  Result<FileFacts> facts(Ino ino) override {
    Lock lock(mutex_);
    const auto found = nodes_.find(ino);
    if (found == nodes_.end()) return fail(ENOENT, "map: gone");
    return found->second.facts;
  }
  Result<std::size_t> read(Ino ino, std::uint64_t offset, MutableBytes into) override {
    Lock lock(mutex_);
    ++reads_;
    const auto found = nodes_.find(ino);
    if (found == nodes_.end()) return fail(ENOENT, "map: gone");
    const std::string& content = found->second.content;
    if (offset >= content.size()) return 0;
    const std::size_t bytes = std::min<std::size_t>(into.size(), content.size() - offset);
    std::memcpy(into.data(), content.data() + offset, bytes);
    return bytes;
  }
  Result<std::string> user_vector(Ino ino) override {
    Lock lock(mutex_);
    const auto found = nodes_.find(ino);
    if (found == nodes_.end()) return fail(ENOENT, "map: gone");
    if (found->second.vector.empty()) return fail(ENODATA, "map: no vector");
    return found->second.vector;
  }
  Result<> write_back(Ino) override { return {}; }
  Result<Ino> parent(Ino directory) override {
    Lock lock(mutex_);
    const auto found = nodes_.find(directory);
    if (found == nodes_.end()) return fail(ENOENT, "map: gone");
    return found->second.parent;
  }
  Result<Ino> child(Ino directory, std::string_view name) override {
    Lock lock(mutex_);
    const auto found = by_name_.find({directory, std::string(name)});
    if (found != by_name_.end()) return found->second;
    return fail(ENOENT, "map: no such name");
  }
  Result<> names(Ino ino, VisitName visit) override {
    Node node;
    {
      Lock lock(mutex_);
      const auto found = nodes_.find(ino);
      if (found == nodes_.end()) return fail(ENOENT, "map: gone");
      node = found->second;
    }
    if (!visit(node.parent, node.name)) return {};
    for (const auto& [parent, name] : node.links)
      if (!visit(parent, name)) break;
    return {};
  }
  Result<> children(Ino directory, VisitChild visit) override {
    std::map<Ino, Node> all;
    {
      Lock lock(mutex_);
      all = nodes_;
    }
    for (const auto& [ino, node] : all)
      for (const auto& [parent, name] : all_names(node))
        if (parent == directory && ino != directory && !visit(name, ino, node.facts.mode))
          return {};
    return {};
  }
  bool may_read(const Caller& caller, Ino file) override { return may(caller, file, 4); }
  bool may_enter(const Caller& caller, Ino directory) override { return may(caller, directory, 1); }

 private:
  struct Node {
    FileFacts facts{};
    Ino parent{};
    std::string name = {}, content = {}, vector = {};
    std::vector<std::pair<Ino, std::string>> links = {};  // further names
  };
  static std::vector<std::pair<Ino, std::string>> all_names(const Node& node) {
    auto names = node.links;
    names.emplace_back(node.parent, node.name);
    return names;
  }
  bool may(const Caller& caller, Ino ino, unsigned bit) {
    Lock lock(mutex_);
    const auto found = nodes_.find(ino);
    if (found == nodes_.end()) return false;
    if (caller.uid == 0) return true;
    const FileFacts& facts = found->second.facts;
    const unsigned shift = facts.uid == caller.uid ? 6 : facts.gid == caller.gid ? 3 : 0;
    return (facts.mode >> shift & bit) != 0;
  }
  void commit(Transaction& transaction) {
    if (transaction.empty()) return;
    VEXFS_ASSERT(volume_.commit(transaction).has_value());
  }

  Volume& volume_;
  ContentIndex* index_ = nullptr;
  mutable Mutex mutex_;
  std::map<Ino, Node> nodes_ GUARDED_BY(mutex_);
  std::map<std::pair<Ino, std::string>, Ino> by_name_ GUARDED_BY(mutex_);
  std::uint64_t next_ GUARDED_BY(mutex_) = 2;
  std::uint64_t generation_ GUARDED_BY(mutex_) = 1000;
  std::uint64_t reads_ GUARDED_BY(mutex_) = 0;
};

}  // namespace vexfs
