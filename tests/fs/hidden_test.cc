// SPDX-License-Identifier: Apache-2.0
// Goal: `.vexfs` and user.vexfs.* behave as INTERFACE promises: no search in a lookup, no stale
// or forbidden result, refusals with the right errno.
// Method: Files on a model volume, and an engine that answers from a script and counts.
#include "fs/hidden.h"

#include <atomic>

#include "fs/computed_xattrs.h"
#include "search/engine.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/hidden");

namespace {

// Answers every question with the files it was given, in order.
class ScriptedEngine final : public Engine {
 public:
  void start(FileView&) override {}
  void stop() override {}
  Result<Answer> ask(const Question& question) override {
    ++asked;
    last = question;
    if (refuse != 0) return fail(refuse, "scripted: refused");
    return answer;
  }
  Result<std::string> file_status(Ino) override { return "indexed"; }
  Result<IndexCounts> counts(Ino) override { return IndexCounts{.indexed = 3, .pending = 1}; }
  std::uint64_t when_indexed(Ino scope, Done done) override {
    barrier = scope;
    done({});
    return 1;
  }
  void cancel(std::uint64_t) override {}
  Result<std::string> collection(Ino) override { return "{}"; }
  Result<> set_collection(Ino directory, std::string_view) override {
    root = directory;
    return {};
  }
  Result<> remove_collection(Ino) override { return {}; }
  bool is_collection_root(Ino directory) override { return directory == root; }
  Result<> pause() override {
    paused = true;
    return {};
  }
  Result<> resume() override { return {}; }
  std::string errors(const Caller&) override { return "an error\n"; }

  Answer answer;
  Question last;
  int refuse = 0;
  int asked = 0;
  bool paused = false;
  Ino barrier{}, root{};
};

struct World {
  FilesFixture fs;
  ScriptedEngine engine;
  Hidden hidden{*fs.files, engine};
  ComputedXattrs xattrs{*fs.files, engine};
  Caller caller{};

  NodeId root(NodeId directory = kRootNode) {
    const auto found = hidden.lookup_root(Ino{directory}, kWait);
    REQUIRE(found);
    return found->node;
  }
  Entry entry(NodeId parent, std::string_view name) {
    const auto found = hidden.lookup(caller, parent, name, kWait);
    REQUIRE(found);
    return *found;
  }
  NodeId find(NodeId parent, std::string_view name) { return entry(parent, name).node; }
  int error(NodeId parent, std::string_view name) {
    const auto found = hidden.lookup(caller, parent, name, kWait);
    return found ? 0 : found.error().code;
  }
  std::vector<std::string> list(NodeId directory) {
    const auto opened = hidden.opendir(caller, directory, kWait);
    REQUIRE(opened);
    std::vector<std::string> names;
    const auto take = [&](const DirectoryEntry& each) {
      names.emplace_back(each.name);
      return true;
    };
    CHECK(hidden.readdir(opened->handle, 0, false, take));
    hidden.releasedir(opened->handle);
    return names;
  }
  std::string content(NodeId node) {
    const auto opened = hidden.open_file(caller, node, kWait);
    REQUIRE(opened);
    CHECK(opened->direct_io);
    std::string all, part(7, '\0');
    while (const std::size_t bytes = hidden
                                         .read(caller, opened->handle, all.size(),
                                               std::as_writable_bytes(std::span(part)), kWait)
                                         .value())
      all += part.substr(0, bytes);
    hidden.release(opened->handle);
    return all;
  }
  void answer_with(NodeId node, std::string path, float score) {
    engine.answer.hits.push_back({.ino = Ino{node}, .path = std::move(path), .score = score});
  }
};

}  // namespace

TEST_CASE("the volume's root has more names than another directory, all listed once") {
  World tree;
  const NodeId docs = tree.fs.dir(kRootNode, "docs");
  CHECK(tree.list(tree.root()).size() == 12);
  CHECK(tree.list(tree.root(docs)) ==
        std::vector<std::string>{".", "..", "search", "similar", "query", "status"});
  CHECK(tree.error(tree.root(docs), "metrics") == ENOENT);
  CHECK(tree.error(tree.root(), "nonsense") == ENOENT);
  const NodeId file = tree.fs.file(kRootNode, "f");
  CHECK(tree.hidden.lookup_root(Ino{file}, kWait).error().code == ENOTDIR);
}

TEST_CASE("a lookup of a question never searches, opening it does") {
  World tree;
  const NodeId file = tree.fs.file(kRootNode, "keys.md", "keys");
  tree.answer_with(file, "keys.md", .9f);
  const NodeId search = tree.find(tree.root(), "search");
  const NodeId question = tree.find(search, "rotate the keys");
  CHECK(tree.hidden.getattr(question));
  CHECK(tree.engine.asked == 0);
  CHECK(tree.hidden.opendir(tree.caller, question, Wait::never).error().code == EAGAIN);
  CHECK(tree.engine.asked == 0);
  CHECK(tree.list(question) == std::vector<std::string>{".", "..", "001_0.900_keys.md"});
  CHECK(tree.engine.asked == 1);
  CHECK(tree.engine.last.text == "rotate the keys");
  // What `cat Q/001*` does next reads the held listing.
  const NodeId result = tree.find(question, "001_0.900_keys.md");
  CHECK(tree.hidden.readlink(result).value() == "../../../keys.md");
  CHECK(tree.hidden.readlink(tree.find(question, "1")).value() == "../../../keys.md");
  CHECK(tree.engine.asked == 1);
  CHECK(tree.content(tree.find(question, "results.jsonl")).find("keys.md") != std::string::npos);
  CHECK(tree.engine.asked == 1);
  CHECK(tree.list(question).size() == 3);  // opening asks anew
  CHECK(tree.engine.asked == 2);
}

TEST_CASE("timeouts of computed nodes are zero") {
  World tree;
  const Entry search = tree.entry(tree.root(), "search");
  CHECK(search.entry_seconds == 0);
  CHECK(search.attr_seconds == 0);
  CHECK(tree.hidden.getattr(search.node)->attr_seconds == 0);
}

TEST_CASE("a result that moved, went or was forbidden is looked up as it is now") {
  World tree;
  const NodeId docs = tree.fs.dir(kRootNode, "docs");
  const NodeId file = tree.fs.file(docs, "keys.md", "keys");
  tree.answer_with(file, "docs/keys.md", .9f);
  const NodeId question = tree.find(tree.find(tree.root(), "search"), "keys");
  tree.list(question);
  const NodeId before = tree.find(question, "1");
  REQUIRE(tree.fs.files->rename(tree.caller, docs, "keys.md", kRootNode, "moved.md", 0, kWait));
  const NodeId after = tree.find(question, "1");
  CHECK(after != before);
  CHECK(tree.hidden.readlink(after).value() == "../../../moved.md");
  tree.caller = {.uid = 1000, .gid = 1000, .pid = 1};
  CHECK(tree.error(question, "1") == 0);
  SetAttr forbid;
  forbid.mode = true;
  forbid.attr.st_mode = 0600;
  REQUIRE(tree.fs.files->setattr(Caller{}, file, forbid, kWait));
  CHECK(tree.error(question, "1") == ENOENT);
  tree.caller = {};
  REQUIRE(tree.fs.files->unlink(tree.caller, kRootNode, "moved.md", kWait));
  tree.fs.files->forget(file, 100);
  CHECK(tree.error(question, "1") == ENOENT);
}

TEST_CASE("habits are no questions; slashes and percent signs are decoded, nothing else") {
  World tree;
  const NodeId search = tree.find(tree.root(), "search");
  for (const char* habit : {".git", ".hidden", ".DS_Store", "notes~", ".Trash", ".Trash-1000",
                            "autorun.inf", ".vexfs", "._x"})
    CHECK(tree.error(search, habit) == ENOENT);
  tree.list(tree.find(search, "a%2Fb%25c%2fd%41"));
  CHECK(tree.engine.last.text == "a/b%c/d%41");
  CHECK(tree.error(search, std::string(256, 'x')) == ENAMETOOLONG);
  CHECK(tree.error(search, std::string(255, 'x')) == 0);
}

TEST_CASE("options are a part of their own, and a bad one is never another search") {
  World tree;
  const NodeId search = tree.find(tree.root(), "search.k=5,mode=text");
  tree.list(tree.find(search, "k=7"));
  CHECK(tree.engine.last.options.k == 5);
  CHECK(tree.engine.last.options.mode == Mode::text);
  CHECK(tree.engine.last.text == "k=7");
  for (const char* bad : {"search.k=0", "search.nonsense=1", "similar.k=x", "search.mode=loud"})
    CHECK(tree.error(tree.root(), bad) == EINVAL);
}

TEST_CASE("similar asks about a file of the directory") {
  World tree;
  const NodeId docs = tree.fs.dir(kRootNode, "docs");
  const NodeId file = tree.fs.file(docs, "a");
  const NodeId similar = tree.find(tree.root(docs), "similar.k=3");
  tree.list(tree.find(similar, "a"));
  CHECK(tree.engine.last.similar_to == Ino{file});
  CHECK(tree.engine.last.scope == Ino{docs});
  CHECK(tree.engine.last.options.k == 3);
  CHECK(tree.error(similar, "absent") == ENOENT);
  CHECK(tree.error(tree.find(tree.root(), "similar"), "docs") == ENOENT);
}

TEST_CASE("a refused question is an error of opendir, not of lookup") {
  World tree;
  tree.engine.refuse = EIO;
  const NodeId question = tree.find(tree.find(tree.root(), "search"), "q");
  CHECK(tree.hidden.opendir(tree.caller, question, kWait).error().code == EIO);
}

TEST_CASE("the query file answers, names errors, and finds a similar file by its path") {
  World tree;
  const NodeId docs = tree.fs.dir(kRootNode, "docs");
  const NodeId file = tree.fs.file(docs, "a");
  tree.answer_with(file, "docs/a", .5f);
  const auto opened = tree.hidden.open_file(tree.caller, tree.find(tree.root(), "query"), kWait);
  REQUIRE(opened);
  const auto ask = [&](std::string line) {
    line += '\n';
    CHECK(tree.hidden.write(opened->handle, as_bytes(line), Wait::never));
    std::string all, part(4096, '\0');
    while (const std::size_t bytes = tree.hidden
                                         .read(tree.caller, opened->handle, 0,
                                               std::as_writable_bytes(std::span(part)), kWait)
                                         .value())
      all += part.substr(0, bytes);
    return all;
  };
  CHECK(ask(R"({"text":"x","k":2})").find("docs/a") != std::string::npos);
  CHECK(tree.engine.last.options.k == 2);
  CHECK(ask(R"({"vector":[1,2]})").find("docs/a") != std::string::npos);
  CHECK(tree.engine.last.vector == std::vector<float>{1, 2});
  ask(R"({"similar":"docs/a"})");
  CHECK(tree.engine.last.similar_to == Ino{file});
  CHECK(ask(R"({"similar":"docs/b"})").find("error") != std::string::npos);
  CHECK(ask(R"({"similar":"../a"})").find("error") != std::string::npos);
  CHECK(ask("nonsense").find("error") != std::string::npos);
  CHECK(ask(R"({"text":"x","nonsense":1})").find("error") != std::string::npos);
  tree.hidden.release(opened->handle);
  CHECK(tree.hidden.write(opened->handle, as_bytes("x"), kWait).error().code == EBADF);
}

TEST_CASE("computed files say what they are for") {
  World tree;
  const NodeId root = tree.root();
  CHECK(tree.content(tree.find(root, "status")) ==
        "indexed 3\npending 1\nfailed 0\nskipped 0\nvectors 0\nrows 0\ndead_rows 0\n");
  CHECK(tree.content(tree.find(root, "README")).find(".vexfs/search/") != std::string::npos);
  CHECK(tree.content(tree.find(root, "errors")) == "an error\n");
  CHECK(tree.content(tree.find(root, "metrics")).find("# TYPE vexfs_") != std::string::npos);
  CHECK(tree.content(tree.find(root, "commit")).empty());
}

TEST_CASE("fsync of status is the barrier of its directory") {
  World tree;
  const NodeId docs = tree.fs.dir(kRootNode, "docs");
  bool done = false;
  tree.hidden.fsync(tree.find(tree.root(docs), "status"),
                    [&](Result<> r) { done = r.has_value(); });
  CHECK(done);
  CHECK(tree.engine.barrier == Ino{docs});
}

TEST_CASE("control takes its words and nothing else") {
  World tree;
  const auto opened = tree.hidden.open_file(tree.caller, tree.find(tree.root(), "control"), kWait);
  REQUIRE(opened);
  CHECK(tree.hidden.write(opened->handle, as_bytes("pause\n"), kWait));
  CHECK(tree.engine.paused);
  CHECK(tree.hidden.write(opened->handle, as_bytes("dance\n"), kWait).error().code == EINVAL);
}

TEST_CASE("readdir goes on at a cookie, and a full buffer owes no lookup") {
  World tree;
  const auto opened = tree.hidden.opendir(tree.caller, tree.root(), kWait);
  REQUIRE(opened);
  std::vector<std::string> names;
  std::uint64_t after = 0;
  for (bool more = true; more;) {
    more = false;
    int room = 2;
    const auto take = [&](const DirectoryEntry& each) {
      if (room-- == 0) return false;
      names.emplace_back(each.name);
      after = each.next;
      if (each.entry != nullptr) tree.hidden.forget(each.entry->node, 1);
      return more = true;
    };
    CHECK(tree.hidden.readdir(opened->handle, after, true, take));
  }
  CHECK(names == tree.list(tree.root()));
}

TEST_CASE("names user.vexfs.* answer and refuse as the table of INTERFACE says") {
  World tree;
  const NodeId file = tree.fs.file(kRootNode, "a");
  tree.answer_with(file, "a", .5f);
  const auto get = [&](NodeId node, std::string_view name, std::size_t room = 0) {
    return tree.xattrs.get(tree.caller, node, name, room, kWait);
  };
  const auto error = [&](NodeId node, std::string_view name) {
    const auto got = get(node, name);
    return got ? 0 : got.error().code;
  };
  // The size probe and the read are one question.
  REQUIRE(get(kRootNode, "user.vexfs.search:keys"));
  CHECK(get(kRootNode, "user.vexfs.search:keys", 65536).value().ends_with("left_out=0\n"));
  CHECK(tree.engine.asked == 1);
  CHECK(get(kRootNode, "user.vexfs.search.k=2,mode=text:a:b", 65536));
  CHECK(tree.engine.asked == 2);
  CHECK(tree.engine.last.text == "a:b");
  CHECK(tree.engine.last.options.k == 2);
  CHECK(get(file, "user.vexfs.similar.k=20", 65536));
  CHECK(tree.engine.last.options.k == 20);
  CHECK(get(file, "user.vexfs.status").value() == "indexed");

  CHECK(error(kRootNode, "user.vexfs.search:") == EINVAL);
  CHECK(error(kRootNode, "user.vexfs.search.k=2") == EINVAL);
  CHECK(error(kRootNode, "user.vexfs.search.k=zero:x") == EINVAL);
  CHECK(error(kRootNode, "user.vexfs.searching:x") == ENODATA);
  CHECK(error(kRootNode, "user.vexfs.nonsense") == ENODATA);
  CHECK(error(kRootNode, "user.vexfs.similar") == ENODATA);
  CHECK(error(file, "user.vexfs.search:x") == ENODATA);
  CHECK(error(file, "user.vexfs.collection") == ENODATA);
  CHECK(error(file, "user.vexfs.vector") == ENODATA);
  CHECK(error(file, "user.vexfs.vector.json") == ENODATA);

  const auto set = [&](NodeId node, std::string_view name, std::string_view value) {
    const auto done = tree.xattrs.set(tree.caller, node, name, as_bytes(value), 0, kWait);
    return done ? 0 : done.error().code;
  };
  for (const char* own :
       {"user.vexfs.status", "user.vexfs.similar", "user.vexfs.search:x", "user.vexfs.nonsense"})
    CHECK(set(file, own, "x") == EPERM);
  CHECK(set(file, "user.vexfs.vector.json", "[0.1,2,-3e-2]") == 0);
  CHECK(get(file, "user.vexfs.vector.json").value() == "[0.1,2,-0.03]");
  CHECK(get(file, "user.vexfs.vector").value().size() == 12);
  for (const char* bad : {"", "[]", "{}", "[1", "[\"1\"]", "[null]"})
    CHECK(set(file, "user.vexfs.vector.json", bad) == EINVAL);
  CHECK(set(file, "user.vexfs.collection", "{}") == EPERM);
  CHECK(tree.xattrs.list(kRootNode).empty());
  CHECK(set(kRootNode, "user.vexfs.collection", "{}") == 0);
  CHECK(tree.xattrs.list(kRootNode) == std::string("user.vexfs.collection\0", 22));
}

TEST_SUITE_END();
