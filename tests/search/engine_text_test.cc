// SPDX-License-Identifier: Apache-2.0
// Goal: a question never meets a file that has gone, content that has changed, or something that
// its caller may not read; and what was indexed is not indexed again without need.
// Method: the engine on naive files; after each change the answers are what the files say.
#include <thread>

#include "base/metrics.h"
#include "tests/search/engine_fixture.h"

namespace vexfs {
namespace {

std::uint64_t chunks_made() {
  return metrics::counter("vexfs_index_chunks_total", "Chunks made of text").value();
}

const char* const kFruit[] = {"apple", "banana", "cherry", "damson", "elderberry", "fig"};

}  // namespace

TEST_CASE_FIXTURE(EngineFixture, "text is found as it is now, whatever happened before") {
  const Ino notes = files.mkdir(kRootIno, "notes");
  const Ino keys = files.create(notes, "keys.md", "# Keys\n\nRotate the signing keys in May.\n");
  files.create(notes, "bread.md", "Knead the dough and let it rest for an hour.\n");
  settle();
  const Answer found = ask("rotate signing keys");
  REQUIRE(paths(found) == std::vector<std::string>{"notes/keys.md"});
  CHECK(found.hits[0].snippet.find("signing keys") != std::string::npos);
  CHECK(found.hits[0].locator.kind == Locator::Kind::lines);
  CHECK(found.pending == 0);
  CHECK(status(keys).starts_with("indexed embedder=local chunks=1 generation="));
  CHECK(engine->counts(notes)->indexed == 2);
  CHECK(paths(ask("rotate signing keys", {}, notes)) == std::vector<std::string>{"keys.md"});

  SUBCASE("overwritten") {
    files.write(keys, "Nothing but porridge here.\n");
    CHECK_FALSE(has(ask("rotate signing"), "notes/keys.md"));
    settle();
    CHECK_FALSE(has(ask("rotate signing"), "notes/keys.md"));
    CHECK(has(ask("porridge"), "notes/keys.md"));
  }
  SUBCASE("while its file is open") {
    files.write_open(keys, "Nothing but porridge here.\n");
    const Answer now = ask("rotate signing");
    CHECK_FALSE(has(now, "notes/keys.md"));
    CHECK(now.pending == 1);
    CHECK(status(keys) == "pending");
  }
  SUBCASE("grown: what has not changed stays findable all the time") {
    files.write_open(keys, "# Keys\n\nRotate the signing keys in May.\n\n\nAnd more.\n");
    files.write_open(keys, "# Keys\n\nRotate the signing keys in May.\n");
    CHECK(has(ask("rotate signing"), "notes/keys.md"));
  }
  SUBCASE("renamed") {
    files.rename(keys, kRootIno, "moved.md");
    CHECK(paths(ask("rotate signing")) == std::vector<std::string>{"moved.md"});
    CHECK(ask("rotate signing", {}, notes).hits.empty());
  }
  SUBCASE("its directory renamed") {
    files.rename(notes, kRootIno, "diary");
    CHECK(paths(ask("rotate signing")) == std::vector<std::string>{"diary/keys.md"});
  }
  SUBCASE("unlinked") {
    files.unlink(keys);
    CHECK(ask("rotate signing").hits.empty());
    settle();
    CHECK(engine->counts(kRootIno)->indexed == 1);
  }
  SUBCASE("made unreadable") {
    const Question question{.caller = {.uid = 7, .gid = 7}, .text = "rotate signing"};
    CHECK(ask(question).hits.size() == 1);
    files.chmod(keys, 0600);
    CHECK(ask(question).hits.empty());
    files.chmod(keys, 0644);
    CHECK(ask(question).hits.size() == 1);
    files.chmod(notes, 0700);
    CHECK(ask(question).hits.empty());
    CHECK(ask("rotate signing").hits.size() == 1);
  }
}

TEST_CASE_FIXTURE(EngineFixture, "no text is no failure, and a change of type is noticed") {
  std::string binary(
      "\x7f"
      "ELF\0\0\1\2\3",
      9);
  binary.append(1000, '\0');
  const Ino program = files.create(kRootIno, "program", binary);
  const Ino empty = files.create(kRootIno, "empty.txt", "");
  const Ino rows = files.create(kRootIno, "rows.fvecs.tmp", fvecs({{1, 2}, {3, 4}}));
  settle();
  CHECK(status(program).starts_with("skipped: "));
  CHECK(status(empty).starts_with("indexed"));
  CHECK(engine->counts(kRootIno)->failed == 0);
  files.rename(rows, kRootIno, "rows.fvecs");
  settle();
  CHECK(status(rows).starts_with("indexed rows=2"));
  CHECK(near({1, 2}).hits.size() == 2);
}

TEST_CASE_FIXTURE(EngineFixture, "filters and scope never shrink an answer below k") {
  const Ino deep = files.mkdir(files.mkdir(kRootIno, "a"), "b");
  for (int i = 0; i < 300; ++i)
    files.create(i % 10 == 0 ? deep : kRootIno,
                 "note" + std::to_string(i) + (i % 2 ? ".md" : ".txt"),
                 "The harbour at dawn, entry " + std::to_string(i) + ".\n", i % 3 ? 0644 : 0600);
  settle();
  CHECK(ask("harbour", {.k = 20}).hits.size() == 20);
  CHECK(ask("harbour", {.k = 20}, deep).hits.size() == 20);
  CHECK(ask("harbour", {.k = 30}, deep).hits.size() == 30);
  const Answer markdown = ask("harbour", {.k = 100, .type = "md"});
  CHECK(markdown.hits.size() == 100);
  for (const std::string& path : paths(markdown)) CHECK(path.ends_with(".md"));
  CHECK(ask("harbour", {.k = 5, .name = "note29?.md"}).hits.size() == 5);
  const Answer others =
      ask(Question{.caller = {.uid = 5, .gid = 5}, .text = "harbour", .options = {.k = 200}});
  CHECK(others.hits.size() == 200);
  for (const Mode mode : {Mode::text, Mode::vector, Mode::hybrid})
    CHECK(ask("harbour dawn", {.k = 12, .mode = mode}, deep).hits.size() == 12);
}

TEST_CASE_FIXTURE(EngineFixture, "a remount indexes nothing again and answers the same") {
  for (int i = 0; i < 60; ++i)
    files.create(kRootIno, "f" + std::to_string(i),
                 std::string(kFruit[i % 6]) + " and " + kFruit[(i / 6) % 6] + " in bowl " +
                     std::to_string(i) + "\n");
  settle();
  for (int i = 0; i < 60; i += 7) files.unlink(Ino{2u + static_cast<unsigned>(i)});
  settle();
  const auto answers = [&] {
    std::string all;
    for (const char* fruit : kFruit)
      for (const Hit& hit : ask(std::string(fruit) + " bowl").hits)
        all += hit.path + " " + std::to_string(hit.score) + "\n";
    return all;
  };
  const auto before = answers();
  const auto made = chunks_made();
  remount();
  settle();
  CHECK(answers() == before);
  CHECK(chunks_made() == made);
  SUBCASE("and a crash loses nothing but time") {
    files.create(kRootIno, "late", "grapefruit at last\n");
    settle();
    files.write_open(Ino{3}, "quince, not closed\n");
    crash();
    settle();
    CHECK(has(ask("grapefruit"), "late"));
    CHECK(has(ask("quince"), "f1"));
    remount();
    settle();
    CHECK(has(ask("grapefruit"), "late"));
  }
}

TEST_CASE_FIXTURE(EngineFixture, "an edit costs the chunks it touches") {
  std::string text;
  for (int i = 0; i < 200; ++i)
    text += "Paragraph number " + std::to_string(i) + " tells of " + kFruit[i % 6] +
            " and of the weather on day " + std::to_string(i * 7) + ".\n\n";
  const Ino log = files.create(kRootIno, "log.txt", text);
  settle();
  const auto before = chunks_made();
  files.write(log, text + "The last line mentions a zeppelin.\n");
  settle();
  CHECK(chunks_made() - before <= 3);
  CHECK(has(ask("zeppelin"), "log.txt"));
  CHECK(has(ask("weather on day 7"), "log.txt"));
}

TEST_CASE_FIXTURE(EngineFixture, "collections have their own spaces and are merged by rank") {
  const Ino plain = files.mkdir(kRootIno, "plain");
  REQUIRE(engine->set_collection(plain, R"({"embedder":"none"})"));
  files.create(kRootIno, "one.txt", "A lighthouse on the cliff.\n");
  const Ino two = files.create(plain, "two.txt", "The lighthouse keeper sleeps.\n");
  settle();
  const Answer both = ask("lighthouse");
  CHECK(both.hits.size() == 2);
  CHECK(paths(ask("lighthouse", {}, plain)) == std::vector<std::string>{"two.txt"});
  CHECK(status(two).find("embedder=none") != std::string::npos);
  CHECK(ask("lighthouse", {.mode = Mode::vector}).left_out == 1);
  SUBCASE("a file that moves is indexed where it comes to stand") {
    files.rename(two, kRootIno, "two.txt");
    settle();
    CHECK(status(two).find("embedder=local") != std::string::npos);
    CHECK(ask("lighthouse").hits.size() == 2);
  }
  SUBCASE("a directory does not move between them") {
    const Ino inner = files.mkdir(plain, "inner");
    CHECK(engine->check_move(inner, plain, kRootIno).error().code == EXDEV);
    CHECK(engine->check_move(two, plain, kRootIno).has_value());
    CHECK(engine->check_move(two, Ino{}, kRootIno).error().code == EXDEV);
  }
  SUBCASE("settings survive a remount") {
    remount();
    settle();
    CHECK(engine->is_collection_root(plain));
    CHECK(ask("lighthouse").hits.size() == 2);
    CHECK(engine->collection(plain)->find(R"("embedder":"none")") != std::string::npos);
  }
}

TEST_CASE_FIXTURE(EngineFixture, "a file linked into a directory that becomes a root stays found") {
  const Ino a = files.mkdir(kRootIno, "a"), b = files.mkdir(kRootIno, "b");
  const Ino file = files.create(a, "one.txt", "A lighthouse on the cliff.\n");
  files.create(b, "other.txt", "Porridge for breakfast.\n");
  files.link(file, b, "two.txt");
  settle();
  REQUIRE(engine->set_collection(b, R"({"embedder":"none"})"));
  settle();
  const auto check_both = [&] {
    CHECK(ask("lighthouse").hits.size() == 1);
    CHECK(paths(ask("lighthouse", {}, a)) == std::vector<std::string>{"one.txt"});
    CHECK(paths(ask("lighthouse", {}, b)) == std::vector<std::string>{"two.txt"});
    CHECK(paths(ask("porridge", {}, b)) == std::vector<std::string>{"other.txt"});
  };
  check_both();
  remount();
  check_both();
  files.write(file, "The lighthouse has a new lamp.\n");
  settle();
  check_both();
  files.unlink_first(file);
  settle();
  CHECK(ask("lighthouse", {}, a).hits.empty());
  CHECK(paths(ask("lighthouse", {}, b)) == std::vector<std::string>{"two.txt"});
  CHECK(paths(ask("lighthouse")) == std::vector<std::string>{"b/two.txt"});
}

TEST_CASE_FIXTURE(EngineFixture, "paused, files wait and say so") {
  REQUIRE(engine->pause());
  const Ino file = files.create(kRootIno, "a.txt", "walrus\n");
  CHECK(wait().error().code == EIO);
  CHECK(status(file) == "pending");
  CHECK(ask("walrus").pending == 1);
  REQUIRE(engine->resume());
  settle();
  CHECK(has(ask("walrus"), "a.txt"));
}

TEST_CASE_FIXTURE(EngineFixture, "a question without meaning is refused") {
  CHECK(engine->ask({}).error().code == EINVAL);
  CHECK(engine->ask({.vector = {NAN}}).error().code == EINVAL);
  CHECK(engine->ask({.scope = Ino{99}, .text = "x"}).error().code == ENOENT);
  const Ino file = files.create(kRootIno, "f", "x");
  CHECK(engine->ask({.scope = file, .text = "x"}).error().code == ENOTDIR);
  CHECK(ask("the of and").hits.empty());
}

TEST_CASE_FIXTURE(EngineFixture, "questions run while files change, and are never stale") {
  std::vector<Ino> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(files.create(kRootIno, "f" + std::to_string(i), "version zero kiwi\n"));
  settle();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int round = 1; round <= 30; ++round) {
      for (std::size_t i = 0; i < all.size(); ++i)
        files.write(all[i], "version " + std::to_string(round) + " kiwi " +
                                kFruit[static_cast<std::size_t>(round) % 6] + "\n");
      files.set_vector(all[static_cast<std::size_t>(round) % all.size()],
                       {1, static_cast<float>(round)});
    }
    stop = true;
  });
  while (!stop) {
    for (const Hit& hit : ask("kiwi", {.k = 20}).hits)
      CHECK(hit.snippet.find("kiwi") != std::string::npos);
    near({1, 1});
  }
  writer.join();
  settle();
  CHECK(ask("kiwi", {.k = 30}).hits.size() == 20);
  CHECK(ask(std::string("version 30 ") + kFruit[0], {.k = 30}).hits.size() == 20);
}

}  // namespace vexfs
