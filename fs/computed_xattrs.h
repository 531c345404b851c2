// SPDX-License-Identifier: Apache-2.0
// ComputedXattrs: the names user.vexfs.* (INTERFACE §4). Questions are stateless: the question is
// in the name, the scope is the inode, the answer is the value.
// Wait: what asks files or searches says EAGAIN to Wait::never. Threads: any.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "fs/answer_cache.h"
#include "fs/types.h"

namespace vexfs {

class Engine;
class Files;
struct Question;

class ComputedXattrs {
 public:
  static constexpr std::string_view kPrefix = "user.vexfs.";
  static bool owns(std::string_view name) { return name.starts_with(kPrefix); }
  // Whether the answer depends on the caller's supplementary groups.
  static bool asks(std::string_view name) {
    return name.starts_with("user.vexfs.search") || name.starts_with("user.vexfs.similar");
  }

  // Both outlive it.
  ComputedXattrs(Files& files, Engine& engine) : files_(files), engine_(engine) {}

  // ENODATA for a name that this inode does not have, EINVAL for a question that says nothing.
  Result<std::string> get(const Caller&, NodeId node, std::string_view name,
                          std::size_t bytes_asked, Wait);
  // EPERM for everything but vector, vector.json and collection.
  Result<> set(const Caller&, NodeId node, std::string_view name, Bytes value, int flags, Wait);
  Result<> remove(const Caller&, NodeId node, std::string_view name, Wait);
  // What `node` has besides the stored names, each ended by NUL.
  std::string list(NodeId node) const;

 private:
  Result<std::unique_ptr<Question>> question_of(const Caller&, NodeId node, std::string_view rest);
  Result<std::string> ask(const Caller&, NodeId node, std::string_view name,
                          std::size_t bytes_asked);
  Result<> check_type(Ino ino, mode_t type, const char* why_not);  // ENODATA
  Result<std::string> vector_json(Ino ino);
  Result<std::string> collection(Ino ino);
  Files& files_;
  Engine& engine_;
  AnswerCache cache_;
};

}  // namespace vexfs
