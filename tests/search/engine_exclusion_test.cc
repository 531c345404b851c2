// SPDX-License-Identifier: Apache-2.0
// Goal: what rules exclude is not found and says why, and files follow when rules come, change,
// move and go. Method: the engine on naive files; after each change the answers.
#include "search/exclusion.h"
#include "tests/search/engine_fixture.h"

namespace vexfs {

TEST_CASE_FIXTURE(EngineFixture, "rules exclude, and files follow when rules change") {
  const Ino docs = files.mkdir(kRootIno, "docs");
  const Ino drafts = files.mkdir(docs, "drafts");
  const Ino note = files.create(docs, "note.txt", "the lighthouse keeper\n");
  const Ino draft = files.create(drafts, "draft.txt", "the lighthouse keeper sleeps\n");
  settle();
  CHECK(ask("lighthouse").hits.size() == 2);
  const Ino rules = files.create(docs, ".vexfsignore", "# mine\ndrafts/\n");
  settle();
  CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"docs/note.txt"});
  CHECK(status(draft) == "skipped: excluded by docs/.vexfsignore line 2");
  CHECK(engine->counts(docs)->skipped == 1);

  SUBCASE("changed") {
    files.write(rules, "note.*\n");
    settle();
    CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"docs/drafts/draft.txt"});
    CHECK(status(note) == "skipped: excluded by docs/.vexfsignore line 1");
  }
  SUBCASE("removed") {
    files.unlink(rules);
    settle();
    CHECK(ask("lighthouse").hits.size() == 2);
  }
  SUBCASE("renamed away, and back") {
    files.rename(rules, docs, "rules.txt");
    settle();
    CHECK(ask("lighthouse").hits.size() == 2);
    files.rename(rules, docs, ".vexfsignore");
    settle();
    CHECK(ask("lighthouse").hits.size() == 1);
  }
  SUBCASE("moved to another directory") {
    files.rename(rules, kRootIno, ".vexfsignore");
    files.write(rules, "note.txt\n");
    settle();
    CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"docs/drafts/draft.txt"});
  }
  SUBCASE("the nearer rules decide, but not below what is excluded") {
    files.create(drafts, ".vexfsignore", "!draft.txt\n");
    settle();
    CHECK(ask("lighthouse").hits.size() == 1);
    files.write(rules, "*.txt\n");
    settle();
    CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"docs/drafts/draft.txt"});
  }
  SUBCASE("a crash after the change") {
    REQUIRE(engine->pause());
    files.write(rules, "note.txt\n");
    crash();
    settle();
    CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"docs/drafts/draft.txt"});
  }
  SUBCASE("a remount indexes nothing again") {
    const auto before = files.reads();
    remount();
    settle();
    CHECK(status(draft).starts_with("skipped: excluded"));
    CHECK(ask("lighthouse").hits.size() == 1);
    CHECK(files.reads() - before < 4);
  }
}

TEST_CASE_FIXTURE(EngineFixture, "what nobody wants to find is excluded by default") {
  const Ino modules = files.mkdir(kRootIno, "node_modules");
  const Ino left = files.mkdir(modules, "left-pad");
  const Ino pad = files.create(left, "index.js", "the lighthouse pad\n");
  const Ino min = files.create(kRootIno, "a.min.js", "the lighthouse code\n");
  const Ino src = files.mkdir(kRootIno, "src");
  const Ino code = files.create(src, "main.js", "the lighthouse program\n");
  settle();
  CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"src/main.js"});
  CHECK(status(pad) == "skipped: excluded by default: node_modules/");
  CHECK(status(min) == "skipped: excluded by default: *.min.js");
  SUBCASE("a directory that moves takes its files along") {
    files.rename(src, modules, "src");
    settle();
    CHECK(ask("lighthouse").hits.empty());
    CHECK(status(code).starts_with("skipped: excluded"));
    files.rename(left, kRootIno, "left-pad");
    settle();
    CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"left-pad/index.js"});
  }
  SUBCASE("rules bring it back") {
    files.create(kRootIno, ".vexfsignore", "!node_modules/\n");
    settle();
    CHECK(ask("lighthouse").hits.size() == 2);
  }
  SUBCASE("and so does the collection, which has patterns of its own") {
    REQUIRE(engine->set_collection(kRootIno, R"({"ignore_defaults":false,"ignore":["/src"]})"));
    settle();
    CHECK(ask("lighthouse").hits.size() == 2);
    CHECK(status(code) == "skipped: excluded by the collection: /src");
    CHECK(engine->collection(kRootIno)->find(R"("ignore":["/src"])") != std::string::npos);
    remount();
    CHECK(ask("lighthouse").hits.size() == 2);
    REQUIRE(engine->set_collection(kRootIno, "{}"));
    settle();
    CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"src/main.js"});
    CHECK(engine->set_collection(kRootIno, R"({"ignore":["a\nb"]})").error().code == EINVAL);
    CHECK(engine->set_collection(kRootIno, R"({"ignore":"x"})").error().code == EINVAL);
  }
}

}  // namespace vexfs
