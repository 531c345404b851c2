// SPDX-License-Identifier: Apache-2.0
#include "fs/computed_xattrs.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <cstring>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "base/json.h"
#include "base/text.h"
#include "fs/files.h"
#include "search/engine.h"
#include "search/paths.h"
#include "vector/metric.h"

namespace vexfs {

namespace {

constexpr std::string_view kVector = "vector", kVectorJson = "vector.json", kStatus = "status",
                           kCollection = "collection", kSearch = "search", kSimilar = "similar";

// "search.k=5:question" after "search": the options, and the question without its colon.
struct Asked {
  std::string_view options, question;
};
Result<Asked> split(std::string_view rest, bool with_question) {
  Asked asked;
  if (rest.starts_with('.')) {
    const std::size_t end = with_question ? rest.find(':') : rest.size();
    if (end == rest.npos) return fail(EINVAL, "xattr: a question needs ':'");
    asked.options = rest.substr(1, end - 1);
    rest.remove_prefix(end);
  }
  if (!with_question) return rest.empty() ? Result<Asked>(asked) : fail(ENODATA, "xattr: no such");
  if (!rest.starts_with(':')) return fail(ENODATA, "xattr: no such name");
  asked.question = rest.substr(1);
  if (asked.question.empty()) return fail(EINVAL, "xattr: an empty question");
  return asked;
}

std::string json_of(std::string_view vector) {
  std::string text = "[";
  for (std::size_t at = 0; at + sizeof(float) <= vector.size(); at += sizeof(float)) {
    le32 raw;
    std::memcpy(&raw, vector.data() + at, sizeof raw);
    // Shortest form that reads back as the same float.
    format_to(std::back_inserter(text), "{}{}", at == 0 ? "" : ",",
              std::bit_cast<float>(std::uint32_t{raw}));
  }
  return text + "]";
}

Result<std::vector<le32>> vector_of(std::string_view text) {
  VEXFS_TRY(const Json json, parse_json(text));
  if (!json.is_array() || json.empty()) return fail(EINVAL, "xattr: not an array of numbers");
  if (json.size() > kDimensionMax) return fail(EINVAL, "xattr: over 4096 dimensions");
  std::vector<le32> vector;
  for (const Json& number : json) {
    if (!number.is_number()) return fail(EINVAL, "xattr: not an array of numbers");
    vector.emplace_back(std::bit_cast<std::uint32_t>(number.get<float>()));
  }
  return vector;
}

}  // namespace

Result<> ComputedXattrs::check_type(Ino ino, mode_t type, const char* why_not) {
  VEXFS_TRY(const FileFacts facts, files_.facts(ino));
  return (facts.mode & S_IFMT) == type ? Result<>() : fail(ENODATA, why_not);
}

[[gnu::noinline]] Result<std::string> ComputedXattrs::vector_json(Ino ino) {
  VEXFS_TRY(const std::string vector, files_.user_vector(ino));
  return json_of(vector);
}

[[gnu::noinline]] Result<std::string> ComputedXattrs::collection(Ino ino) {
  VEXFS_CHECK(check_type(ino, S_IFDIR, "xattr: only directories are collections"));
  return engine_.collection(ino);
}

Result<std::string> ComputedXattrs::get(const Caller& caller, NodeId node, std::string_view name,
                                        std::size_t bytes_asked, Wait wait) {
  const std::string_view rest = name.substr(kPrefix.size());
  if (rest == kVector) return files_.getxattr(caller, node, name, wait);
  if (wait == Wait::never) return fail(EAGAIN, "xattr: has to be computed");
  const Ino ino{node};
  if (rest == kVectorJson) return vector_json(ino);
  if (rest == kStatus) return engine_.file_status(ino);
  if (rest == kCollection) return collection(ino);
  if (!asks(name)) return fail(ENODATA, "xattr: no such name");
  return ask(caller, node, name, bytes_asked);
}

// On the heap, and neither of these inline: a search wants the stack.
[[gnu::noinline]] Result<std::unique_ptr<Question>> ComputedXattrs::question_of(
    const Caller& caller, NodeId node, std::string_view rest) {
  const bool searching = rest.starts_with(kSearch);
  rest.remove_prefix(searching ? kSearch.size() : kSimilar.size());
  VEXFS_TRY(const Asked asked, split(rest, searching));
  VEXFS_CHECK(searching ? check_type(Ino{node}, S_IFDIR, "xattr: only directories can be searched")
                        : check_type(Ino{node}, S_IFREG, "xattr: only files have neighbours"));
  auto question = std::make_unique<Question>();
  question->caller = caller;
  if (searching) {
    question->scope = Ino{node};
    question->text = asked.question;
  } else {
    question->similar_to = Ino{node};
  }
  VEXFS_TRY(question->options, parse_options(asked.options));
  return question;
}

[[gnu::noinline]] Result<std::string> ComputedXattrs::ask(const Caller& caller, NodeId node,
                                                          std::string_view name,
                                                          std::size_t bytes_asked) {
  if (auto kept = cache_.find(caller, Ino{node}, name, bytes_asked)) return *std::move(kept);
  VEXFS_TRY(const std::unique_ptr<Question> question,
            question_of(caller, node, name.substr(kPrefix.size())));
  VEXFS_TRY(const Answer answer, engine_.ask(*question));
  std::string value = render(answer, question->options.format, kXattrBytesMax);
  if (bytes_asked < value.size()) cache_.keep(caller, Ino{node}, name, value);
  return value;
}

Result<> ComputedXattrs::set(const Caller& caller, NodeId node, std::string_view name, Bytes value,
                             int flags, Wait wait) {
  const std::string_view rest = name.substr(kPrefix.size());
  if (rest == kVector) return files_.set_user_vector(caller, node, value, flags, wait);
  if (rest == kVectorJson) {
    const auto parsed = vector_of(as_text(value));
    if (!parsed) engine_.refused(Ino{node}, parsed.error().what);
    VEXFS_TRY(const std::vector<le32> vector, parsed);
    return files_.set_user_vector(caller, node, std::as_bytes(std::span(vector)), flags, wait);
  }
  if (rest != kCollection) return fail(EPERM, "xattr: the daemon's own name");
  if (wait == Wait::never) return fail(EAGAIN, "xattr: asks files");
  const Ino ino{node};
  VEXFS_TRY(const FileFacts facts, files_.facts(ino));
  if (!S_ISDIR(facts.mode)) return fail(EPERM, "xattr: only a directory can be a collection");
  const bool root = engine_.is_collection_root(ino);
  if ((flags & XATTR_CREATE) != 0 && root) return fail(EEXIST, "xattr: is a collection already");
  if ((flags & XATTR_REPLACE) != 0 && !root) return fail(ENODATA, "xattr: is no collection yet");
  return engine_.set_collection(ino, as_text(value));
}

Result<> ComputedXattrs::remove(const Caller& caller, NodeId node, std::string_view name,
                                Wait wait) {
  const std::string_view rest = name.substr(kPrefix.size());
  if (rest == kVector || rest == kVectorJson) return files_.remove_user_vector(caller, node, wait);
  if (rest != kCollection) return fail(EPERM, "xattr: the daemon's own name");
  if (wait == Wait::never) return fail(EAGAIN, "xattr: asks files");
  if (!engine_.is_collection_root(Ino{node})) return fail(ENODATA, "xattr: is no collection");
  return engine_.remove_collection(Ino{node});
}

std::string ComputedXattrs::list(NodeId node) const {
  if (!engine_.is_collection_root(Ino{node})) return {};
  std::string name(kPrefix);
  name += kCollection;
  name.push_back('\0');
  return name;
}

}  // namespace vexfs
