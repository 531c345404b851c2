// SPDX-License-Identifier: Apache-2.0
// Hidden: the directory `.vexfs` that every directory has (INTERFACE §5). Found by lookup, never
// listed. Its nodes are computed: nothing here is stored, nothing is cached by the kernel.
//
// Always: looking a question up never searches; a search runs when an answer is opened, or when
// an entry of an answer is looked up that nobody holds. Writing happens only on `query` and
// `control`. Access is by mode bits, which the kernel checks.
// Wait: whatever asks files or searches says EAGAIN to Wait::never. Threads: any.
#pragma once
#include <functional>
#include <memory>
#include <unordered_map>

#include "fs/answer_listing.h"
#include "fs/hidden_node.h"
#include "fs/query_session.h"
#include "fs/types.h"

namespace vexfs {

class Engine;
class Files;

inline constexpr std::string_view kHiddenName = ".vexfs";

class Hidden {
 public:
  // Both outlive it.
  Hidden(Files& files, Engine& engine) : files_(files), engine_(engine) {}

  // DIR/.vexfs itself.
  Result<Entry> lookup_root(Ino directory, Wait);
  Result<Entry> lookup(const Caller&, NodeId parent, std::string_view name, Wait);
  void forget(NodeId node, std::uint64_t lookups) { nodes_.forget(node, lookups); }
  Result<Attributes> getattr(NodeId node) const;
  Result<std::string> readlink(NodeId node) const;

  Result<Opened> open_file(const Caller&, NodeId node, Wait);
  Result<std::size_t> read(const Caller&, std::uint64_t handle, std::uint64_t offset,
                           MutableBytes into, Wait);
  Result<std::size_t> write(std::uint64_t handle, Bytes from, Wait);
  void release(std::uint64_t handle);
  // status: waits for what is queued below DIR. commit: for everything to be durable.
  using Done = std::move_only_function<void(Result<>)>;
  void fsync(NodeId node, Done done);

  Result<Opened> opendir(const Caller&, NodeId node, Wait);
  Result<> readdir(std::uint64_t handle, std::uint64_t after, bool plus, EmitEntry emit);
  void releasedir(std::uint64_t handle) { release(handle); }

 private:
  // What a descriptor on a hidden node holds.
  struct Handle {
    explicit Handle(HiddenNodeRef n) : node(std::move(n)) {}
    const HiddenNodeRef node;
    QuerySession session;   // query
    std::string content;    // computed files, as they were at open
    Listings::Ref listing;  // answers, as they were at opendir
  };
  using HandleRef = std::shared_ptr<Handle>;

  Result<HiddenNodeRef> node_of(NodeId id) const;
  Result<HandleRef> handle_of(std::uint64_t handle) const;
  std::uint64_t keep(HandleRef handle);
  Entry entry_of(HiddenNode node);

  Result<Entry> lookup_fixed(const HiddenNode& root, std::string_view name);
  Result<Entry> lookup_question(const HiddenNode& parent, std::string_view name);
  Result<Entry> lookup_similar(const Caller&, const HiddenNode& parent, std::string_view name);
  Result<Entry> lookup_result(const Caller&, const HiddenNode& answer, std::string_view name);

  // On the heap, for a search wants the stack.
  Result<std::unique_ptr<Question>> question_of(const Caller&, const HiddenNode& answer) const;
  // Asks anew, and keeps the listing.
  Result<Listings::Ref> ask(const Caller&, const HiddenNode& answer);
  // The one that is kept, if any.
  Result<Listings::Ref> listing_of(const Caller&, const HiddenNode& answer);
  // A file below `directory` by the path that an answer gave it. ENOENT, EACCES, ENOTDIR.
  Result<Ino> resolve(const Caller&, Ino directory, std::string_view path);
  std::string answer_line(const Caller&, const HiddenNode& query, const std::string& line);
  Result<std::string> status_of(Ino directory);
  Result<std::string> content_of(const Caller&, const HiddenNode& node);
  Result<> control(std::string_view command);

  Files& files_;
  Engine& engine_;
  HiddenTable nodes_;
  Listings listings_;
  mutable Mutex handles_mutex_{Rank::hidden};
  std::uint64_t next_handle_ GUARDED_BY(handles_mutex_) = 1;
  std::unordered_map<std::uint64_t, HandleRef> handles_ GUARDED_BY(handles_mutex_);
};

}  // namespace vexfs
