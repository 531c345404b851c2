// SPDX-License-Identifier: Apache-2.0
// What `.vexfs` answers: questions as directories and on the query file, and the computed files.
#include <sys/stat.h>
#include <charconv>

#include <cstring>
#include <utility>

#include "base/metrics.h"
#include "base/text.h"
#include "fs/files.h"
#include "fs/hidden.h"
#include "search/engine.h"

namespace vexfs {

using Kind = HiddenNode::Kind;

namespace {

constexpr std::size_t kNoLimit = ~std::size_t{0};

constexpr std::string_view kReadme =
    R"(This is a VexFS volume: a file system that finds by meaning. Every directory DIR has a
hidden DIR/.vexfs; it is found by name and never listed. Ask about the files below DIR:

  ls DIR/.vexfs/search/"how do I rotate the keys"/          results as symlinks, best first
  cat DIR/.vexfs/search/"rotate the keys"/1                 the best file itself
  cat DIR/.vexfs/search.k=3,mode=text/"rotate keys"/results.jsonl
  ls DIR/.vexfs/similar/NAME/                               files like DIR/NAME
  getfattr --only-values -n "user.vexfs.search:rotate the keys" DIR
  getfattr --only-values -n user.vexfs.similar FILE
  getfattr --only-values -n user.vexfs.status FILE          indexed, pending, failed or skipped
  cat DIR/.vexfs/status                                     the same, counted
  ln -s .vexfs/search/"trip to japan" japan                 a saved, live question

Options: k=10 mode=vector|text|hybrid exact=1 name=*.md type=md newer=7d older=2026-01-31
larger=10k smaller=1M min=0.2 chunks=1 format=json, joined by commas.

Many questions on one descriptor, as JSON lines; an answer ends with 0 bytes:
  exec 3<>DIR/.vexfs/query
  printf '%s\n' '{"text":"rotate the keys","k":5}' >&3;  cat <&3
  printf '%s\n' '{"vector":[0.1,0.2],"k":5}' >&3;        cat <&3

Vectors of your own:  setfattr -n user.vexfs.vector.json -v '[0.1,0.2]' photo.jpg
Files of vectors:     copy .fvecs, .bvecs or .npy files in; each row is found as file:row.
Here in the root: errors (refusals and failures), stats and metrics.
)";

std::string error_line(const Error& error) {
  return to_text(Json{{"error", error.what}, {"errno", error.code}}) + "\n";
}

// Figures first, a line each; then what is said in words, of the collection of the directory.
std::string status_text(const IndexCounts& counts) {
  std::string text =
      format("indexed {}\npending {}\nfailed {}\nskipped {}\nvectors {}\nrows {}\ndead_rows {}\n",
             counts.indexed, counts.pending, counts.failed, counts.skipped, counts.vectors,
             counts.slots, counts.dead);
  if (!counts.rebuilding.empty())
    text +=
        format("rebuilding_percent {}\nrebuilding {}\n", counts.rebuilt_percent, counts.rebuilding);
  if (counts.ef != 0)
    text += format("recall_target {:.3f}\nrecall_sampled {:.3f}\nef {}\n", counts.recall_target,
                   counts.recall, counts.ef);
  if (!counts.embedder.empty()) text += format("embedder {}\n", counts.embedder);
  return text;
}

// Not inline: what is parsed is large, and a search wants the stack.
[[gnu::noinline]] Result<> parse_line(const std::string& line, Question& into) {
  VEXFS_TRY(into, parse_question(line));
  return {};
}

[[gnu::noinline]] std::string listing_key(const Caller& caller, const HiddenNode& answer) {
  std::string key = format("{}:{}:", caller.uid, caller.gid);
  for (gid_t group : caller.groups) key += format("{},", group);
  return key + answer.description();
}

// Neither inline: who asks calls the search, which wants the stack.
[[gnu::noinline]] Listings::Ref listing_from(Answer found) {
  return std::make_shared<const AnswerListing>(make_listing(std::move(found)));
}
[[gnu::noinline]] void keep_listing(Listings& listings, const std::string& key,
                                    const Listings::Ref& listing) {
  listings.keep(key, listing);
}

}  // namespace

[[gnu::noinline]] Result<std::unique_ptr<Question>> Hidden::question_of(
    const Caller& caller, const HiddenNode& answer) const {
  auto question = std::make_unique<Question>();
  VEXFS_TRY(question->options, parse_options(answer.options));
  question->scope = answer.directory;
  question->caller = caller;
  question->text = answer.question;
  question->similar_to = answer.similar_to;
  return question;
}

Result<Listings::Ref> Hidden::ask(const Caller& caller, const HiddenNode& answer) {
  VEXFS_TRY(const std::unique_ptr<Question> question, question_of(caller, answer));
  VEXFS_TRY(Answer found, engine_.ask(*question));
  Listings::Ref listing = listing_from(std::move(found));
  keep_listing(listings_, listing_key(caller, answer), listing);
  return listing;
}

Result<Listings::Ref> Hidden::listing_of(const Caller& caller, const HiddenNode& answer) {
  auto directory = std::make_unique<HiddenNode>(answer);
  directory->kind = Kind::answer;  // results.jsonl asks for its directory's listing
  if (Listings::Ref held = listings_.find(listing_key(caller, *directory))) return held;
  return ask(caller, *directory);
}

Result<Opened> Hidden::opendir(const Caller& caller, NodeId node, Wait wait) {
  VEXFS_TRY(HiddenNodeRef found, node_of(node));
  if (!found->is_directory()) return fail(ENOTDIR, "hidden: not a directory");
  auto handle = std::make_shared<Handle>(std::move(found));
  if (handle->node->kind == Kind::answer) {
    if (wait == Wait::never) return fail(EAGAIN, "hidden: a search has to run");
    // Opening asks anew: what changed since the last `ls` must show.
    VEXFS_TRY(handle->listing, ask(caller, *handle->node));
  }
  return Opened{.handle = keep(std::move(handle)), .keep_cache = false};
}

Result<Ino> Hidden::resolve(const Caller& caller, Ino directory, std::string_view path) {
  Ino at = directory;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") return fail(EINVAL, "hidden: a path below the directory has no ..");
    if (!files_.may_enter(caller, at)) return fail(EACCES, "hidden: no permission on the path");
    VEXFS_TRY(const Entry entry,
              files_.lookup(caller, std::to_underlying(at), name, Wait::allowed));
    files_.forget(entry.node, 1);
    at = Ino{entry.node};
  }
  return at;
}

std::string Hidden::answer_line(const Caller& caller, const HiddenNode& query,
                                const std::string& line) {
  const auto question = std::make_unique<Question>();
  if (const auto parsed = parse_line(line, *question); !parsed) return error_line(parsed.error());
  question->scope = query.directory;
  question->caller = caller;
  if (!question->similar_path.empty()) {
    const auto file = resolve(caller, query.directory, question->similar_path);
    if (!file) return error_line(file.error());
    if (!files_.may_read(caller, *file))
      return error_line({.code = EACCES, .what = "hidden: no permission to read that file"});
    question->similar_to = *file;
  }
  const auto answer = engine_.ask(*question);
  if (!answer) return error_line(answer.error());
  return render(*answer, Format::json, kNoLimit);
}

Result<std::string> Hidden::status_of(Ino directory) {
  VEXFS_TRY(const IndexCounts counts, engine_.counts(directory));
  return status_text(counts);
}

Result<std::string> Hidden::content_of(const Caller& caller, const HiddenNode& node) {
  switch (node.kind) {
    case Kind::status:
      return status_of(node.directory);
    case Kind::results_json: {
      VEXFS_TRY(const Listings::Ref listing, listing_of(caller, node));
      return render(listing->answer, Format::json, kNoLimit);
    }
    case Kind::readme:
      return std::string(kReadme);
    case Kind::errors:
      return engine_.errors(caller);
    case Kind::metrics:
      return metrics::prometheus();
    case Kind::stats:
      return metrics::for_people();
    default:
      return std::string();
  }
}

Result<Opened> Hidden::open_file(const Caller& caller, NodeId node, Wait wait) {
  VEXFS_TRY(HiddenNodeRef found, node_of(node));
  if (found->is_directory()) return fail(EISDIR, "hidden: is a directory");
  if (found->kind == Kind::result) return fail(ELOOP, "hidden: is a symlink");
  const bool asks = found->kind == Kind::status || found->kind == Kind::results_json;
  if (asks && wait == Wait::never) return fail(EAGAIN, "hidden: has to be computed");
  auto handle = std::make_shared<Handle>(std::move(found));
  VEXFS_TRY(handle->content, content_of(caller, *handle->node));
  return Opened{.handle = keep(std::move(handle)), .direct_io = true, .keep_cache = false};
}

Result<std::size_t> Hidden::read(const Caller& caller, std::uint64_t handle, std::uint64_t offset,
                                 MutableBytes into, Wait wait) {
  VEXFS_TRY(const HandleRef open, handle_of(handle));
  if (open->node->kind == Kind::query)
    return open->session.read(into, wait, [&](const std::string& line) {
      return answer_line(caller, *open->node, line);
    });
  const std::string& content = open->content;
  if (offset >= content.size()) return 0;
  const std::size_t bytes = std::min(into.size(), content.size() - offset);
  std::memcpy(into.data(), content.data() + offset, bytes);
  return bytes;
}

Result<std::size_t> Hidden::write(std::uint64_t handle, Bytes from, Wait wait) {
  VEXFS_TRY(const HandleRef open, handle_of(handle));
  if (open->node->kind == Kind::query) return open->session.write(from);
  if (open->node->kind != Kind::control) return fail(EPERM, "hidden: not writable");
  if (wait == Wait::never) return fail(EAGAIN, "hidden: may take long");
  VEXFS_CHECK(control(as_text(from)));
  return from.size();
}

Result<> Hidden::control(std::string_view command) {
  while (!command.empty() && command.back() == '\n') command.remove_suffix(1);
  if (command == "pause") return engine_.pause();
  if (command == "resume") return engine_.resume();
  constexpr std::string_view kResize = "resize ";
  if (command.starts_with(kResize)) {
    command.remove_prefix(kResize.size());
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(command.begin(), command.end(), bytes);
    if (error != std::errc() || end != command.end())
      return fail(EINVAL, "hidden: resize wants a number of bytes");
    return files_.grow_volume(bytes);
  }
  return fail(EINVAL, "hidden: control knows pause, resume and resize BYTES");
}

void Hidden::fsync(NodeId node, Done done) {
  const HiddenNodeRef found = nodes_.find(node);
  if (!found) return done(fail(ESTALE, "hidden: node is not held"));
  if (found->kind == Kind::status) {
    engine_.when_indexed(found->directory, std::move(done));
  } else if (found->kind == Kind::commit) {
    files_.sync_all(std::move(done));
  } else {
    done({});
  }
}

}  // namespace vexfs
