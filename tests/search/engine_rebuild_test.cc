// SPDX-License-Identifier: Apache-2.0
// Goal: a space that is made again changes no answer: not while it is made, not at the switch, not
// when the power fails anywhere between. What is dead leaves memory and volume.
// Method: the engine on naive files against the set of files that hold a word and the exact
// nearest vectors; a volume that fails from the n-th commit on, for every n.
#include <map>
#include <set>
#include <thread>

#include "base/metrics.h"
#include "base/text.h"
#include "search/space_format.h"
#include "storage/blob.h"
#include "tests/search/engine_fixture.h"
#include "vector/distance.h"

namespace vexfs {
namespace {

std::uint64_t embedded() {
  return metrics::histogram("vexfs_embed_seconds", "Embedding one text", "embedder=\"local\"")
      .count();
}

struct Kept {
  std::uint64_t slots = 0, bytes = 0;
  std::set<std::uint32_t> in_force, found;  // ids of spaces
};

// What stands on the volume.
Kept kept(Volume& volume) {
  Kept kept;
  const auto look = [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const char letter = static_cast<char>(reader.u8());
    if (letter == 's') {
      SpaceRecord record;
      REQUIRE(read_record(value, record));
      kept.in_force.insert(record.id);
      return true;
    }
    kept.found.insert(reader.u32());
    PieceRecord piece{};
    const bool headed = letter == 'r' || letter == 't';
    if (headed) REQUIRE(read_record(value, piece));
    if (letter == 'r') kept.slots += piece.slots;
    kept.bytes += *blob_bytes(headed ? value.subspan(sizeof piece) : value);
    return true;
  };
  REQUIRE(volume.scan(Tree::space, {}, {}, look, Wait::allowed));
  const auto look_at_run = [&](Bytes key, Bytes) {
    kept.found.insert(KeyReader(key).u32());
    return true;
  };
  REQUIRE(volume.scan(Tree::vector, {}, {}, look_at_run, Wait::allowed));
  return kept;
}

// Two collections and what is in them, by definition.
struct ModelFixture : EngineFixture {
  static constexpr std::uint32_t kDimension = 8;
  static constexpr std::size_t kWords = 15;
  // Dead rows that are worth to make a space again.
  static constexpr std::uint32_t kWorth = 10, kNever = ~0u;

  ModelFixture() {
    engine_options.dead_rows_min = kWorth;
    remount();
    other = files.mkdir(kRootIno, "other");
    REQUIRE(engine->set_collection(other, R"({"embedder":"none","metric":"l2"})"));
    settle();
  }
  static std::string word(std::size_t number) {
    const auto letter = [](std::size_t n) { return static_cast<char>('a' + n % 26); };
    return std::string("zq") + letter(number / 26) + letter(number) + "w";
  }

  struct File {
    Ino ino{}, parent{};
    std::string name = {};
    std::set<std::size_t> words = {};
    std::vector<float> vector = {};
    std::vector<std::vector<float>> rows = {};
  };
  std::string path(const File& file) const {
    return (file.parent == other ? "other/" : "") + file.name;
  }
  std::string content(File& file) {
    file.words.clear();
    if (file.name.ends_with(".fvecs")) {
      file.rows.clear();
      for (std::size_t i = 0; i < 1 + random() % 8; ++i)
        file.rows.push_back(random_vector(random, kDimension));
      return fvecs(file.rows);
    }
    std::string text = "Title of " + std::to_string(random() % 1000) + "\n\n";
    for (std::size_t i = 0; i < 1 + random() % 3; ++i) {
      const std::size_t chosen = random() % kWords;
      file.words.insert(chosen);
      // Long enough that each is a chunk of its own.
      for (int line = 0; line < 14; ++line)
        text += "The " + word(chosen) + " stands on its own in line " + std::to_string(line) +
                " of a paragraph that goes on for a while and then some.\n";
      text += "\n\n";
    }
    return text;
  }
  void change() {
    const auto dice = random() % 100;
    if (all.size() < 20 || dice < 15) {
      File file{.parent = random() % 2 ? other : kRootIno,
                .name = "f" + std::to_string(made++) + (random() % 4 == 0 ? ".fvecs" : ".txt")};
      const std::string text = content(file);
      file.ino = files.create(file.parent, file.name, text);
      all[file.ino] = file;
      return;
    }
    auto at = all.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random() % all.size()));
    File& file = at->second;
    if (dice < 65) {
      files.write(file.ino, content(file));
    } else if (dice < 75) {
      files.unlink(file.ino);
      all.erase(at);
    } else if (dice < 85) {
      file.parent = file.parent == other ? kRootIno : other;
      files.rename(file.ino, file.parent, file.name);
    } else {
      file.vector = random() % 4 == 0 ? std::vector<float>() : random_vector(random, kDimension);
      files.set_vector(file.ino, file.vector);
    }
  }

  std::set<std::string> holding(std::size_t number, Ino scope) {
    std::set<std::string> paths;
    for (const auto& [ino, file] : all)
      if (file.words.contains(number) && (scope == kRootIno || file.parent == other))
        paths.insert(scope == other ? file.name : path(file));
    return paths;
  }
  void check_words() {
    for (int i = 0; i < 4; ++i) {
      const std::size_t number = random() % kWords;
      const Ino scope = random() % 2 ? other : kRootIno;
      const auto expected = holding(number, scope);
      // In a collection that lacks it, it would be taken for a typing error.
      const std::size_t inside = holding(number, other).size();
      if (inside == 0 || (scope == kRootIno && expected.size() == inside)) continue;
      const auto found = paths(ask(word(number), {.k = 500, .mode = Mode::text}, scope));
      const auto line = [](const auto& paths_of) {
        std::string one;
        for (const std::string& its : paths_of) one += its + " ";
        return one;
      };
      CHECK(line(std::set<std::string>(found.begin(), found.end())) == line(expected));
    }
  }

  // Every vector that can be answered, nearest first where `query` is asked of one collection.
  using Row = std::pair<std::string, std::uint64_t>;  // path; row + 1, 0 for the file's own
  std::vector<Row> rows_near(const std::vector<float>& query) {
    std::vector<std::pair<float, Row>> order;
    for (const auto& [ino, file] : all) {
      if (file.parent != other) continue;
      if (!file.vector.empty())
        order.push_back({distance(Metric::l2, query, file.vector), {file.name, 0}});
      for (std::size_t i = 0; i < file.rows.size(); ++i)
        order.push_back({distance(Metric::l2, query, file.rows[i]), {file.name, i + 1}});
    }
    std::ranges::sort(order);
    std::vector<Row> rows;
    for (const auto& [distance, row] : order) rows.push_back(row);
    return rows;
  }
  void check_vectors() {
    const auto query = random_vector(random, kDimension);
    std::vector<Row> found;
    for (const Hit& hit : near(query, {.k = 2000}, other).hits)
      found.push_back(
          {hit.path, hit.locator.kind == Locator::Kind::row ? hit.locator.first + 1 : 0});
    CHECK(found == rows_near(query));
    std::size_t everywhere = 0;
    for (const auto& [ino, file] : all) everywhere += file.rows.size() + !file.vector.empty();
    CHECK(near(query, {.k = 2000}).hits.size() == everywhere);
  }
  void check_all() {
    check_words();
    check_vectors();
  }
  // What gave way is freed in the background.
  void check_no_orphans() {
    const auto orphans = [&] {
      const Kept now = kept(volume);
      std::size_t count = 0;
      for (const std::uint32_t id : now.found) count += !now.in_force.contains(id);
      return count;
    };
    for (int i = 0; i < 2000 && orphans() != 0; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(orphans() == 0);
  }
  void settle_both() {
    settle();
    while (rebuilding(other)) check_all();
  }

  Ino other{};
  std::map<Ino, File> all;
  std::size_t made = 0;
  std::mt19937 random{static_cast<unsigned>(std::random_device{}())};
};

std::string made_text(std::size_t file, std::size_t round) {
  return format("note {} of round {}: the {} mills by the river number {}\n", file, round,
                round % 2 ? "old" : "new", file * 31 + round);
}

}  // namespace

TEST_CASE_FIXTURE(ModelFixture, "answers are those of the model while spaces are made again") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  random.seed(seed);
  for (int round = 0; round < 25; ++round) {
    std::atomic<bool> stop{false};
    std::thread asks([&] {
      for (std::size_t i = 0; !stop; ++i) {
        const std::string asked = word(i % kWords);
        for (const Hit& hit : ask(asked, {.k = 20, .mode = Mode::text}).hits)
          REQUIRE(hit.snippet.find("zq") != std::string::npos);
        near(std::vector<float>(kDimension, 1), {.k = 5});
      }
    });
    for (int i = 0; i < 40; ++i) change();
    stop = true;
    asks.join();
    REQUIRE(wait());
    for (int i = 0; i < 3; ++i) check_all();  // some of them while spaces are made
    if (round % 5 == 3) remount();
    if (round % 5 == 4) crash();
    settle_both();
    check_all();
    for (const Ino scope : {kRootIno, other}) {
      const IndexCounts counts = *engine->counts(scope);
      CHECK(counts.dead <=
            std::max<std::uint64_t>(2 * engine_options.dead_rows_min, counts.slots / 3));
    }
  }
  CHECK(metrics::counter("vexfs_index_rebuilt_rows_total", "").value() > 0);
  check_no_orphans();
}

TEST_CASE_FIXTURE(ModelFixture, "power may fail at any commit of a rebuild") {
  random.seed(5);
  for (int i = 0; i < 120; ++i) change();
  settle_both();
  remount();  // saved
  int cuts = 0;
  for (std::int64_t commits = 0; commits < 200; ++commits) {
    // Every file changes: what was is dead, and it is worth to make both spaces again, but not
    // before the cut is set: by an engine that minds, which finds them so.
    engine_options.dead_rows_min = kNever;
    remount();
    for (auto& [ino, file] : all) files.write(ino, content(file));
    settle();
    files.tell(nullptr);
    engine->stop();
    engine.reset();
    engine_options.dead_rows_min = kWorth;
    volume.cut_after(commits);
    open();
    const auto running = [&] { return rebuilding(kRootIno) || rebuilding(other); };
    while (!volume.is_cut() && running()) check_words();
    const bool cut = volume.is_cut();
    cuts += cut;
    files.tell(nullptr);
    engine.reset();
    volume.restore();
    open();
    REQUIRE(wait());
    check_all();
    settle_both();
    check_all();
    if (!cut) break;
  }
  CHECK(cuts > 3);
  check_no_orphans();
}

TEST_CASE_FIXTURE(EngineFixture, "2,000 chunks rewritten 20 times take the room of 2,000") {
  std::vector<Ino> all;
  for (std::size_t i = 0; i < 2000; ++i)
    all.push_back(files.create(kRootIno, "f" + std::to_string(i), made_text(i, 0)));
  settle();
  remount();
  settle();
  const Kept first = kept(volume);
  const std::uint64_t embedded_first = embedded();
  for (std::size_t round = 1; round <= 20; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) files.write(all[i], made_text(i, round));
    settle();
    const IndexCounts counts = *engine->counts(kRootIno);
    CHECK(counts.slots - counts.dead == 2000);
    CHECK(counts.slots <= 2000 + engine_options.dead_rows_min + 2000 / 4);
    if (round % 10 != 0) continue;
    remount();
    settle();
    CHECK(kept(volume).slots <= 2000 + engine_options.dead_rows_min + 2000 / 4);
    CHECK(kept(volume).bytes <= 3 * first.bytes);
  }
  // Each as it was written, none for the copies; one that met the switch was embedded again.
  CHECK(embedded() - embedded_first >= 20 * 2000);
  CHECK(embedded() - embedded_first <= 20 * 2000 + 20);
  CHECK(has(ask("note 7 of round 20"), "f7"));
}

TEST_CASE_FIXTURE(EngineFixture, "an embedder is changed while the old vectors answer") {
  REQUIRE(engine->set_collection(kRootIno, R"({"embedder":"none"})"));
  for (std::size_t i = 0; i < 300; ++i)
    files.create(kRootIno, "f" + std::to_string(i), made_text(i, i % 7));
  settle();
  CHECK(ask("mills by the river", {.mode = Mode::vector}).left_out == 1);
  CHECK(ask("note 7").hits.size() == 10);
  const auto reads = files.reads();

  REQUIRE(engine->set_collection(kRootIno, R"({"embedder":"local"})"));
  std::size_t asked = 0;
  while (rebuilding() || asked == 0) {
    CHECK(ask("mills by the river", {.mode = Mode::text}).hits.size() == 10);
    ++asked;
  }
  settle();
  const Answer now = ask("mills by the river", {.mode = Mode::vector});
  CHECK(now.left_out == 0);
  CHECK(now.hits.size() == 10);
  const std::string embedder = engine->counts(kRootIno)->embedder;
  CHECK(embedder.starts_with("local version=1 "));
  CHECK(status(Ino{2}).starts_with("indexed embedder=local chunks=1"));

  REQUIRE(engine->set_collection(kRootIno, R"({"embedder":"none"})"));
  settle();
  CHECK(ask("mills by the river", {.mode = Mode::vector}).left_out == 1);
  CHECK(engine->counts(kRootIno)->vectors == 0);
  // Answers read the chunks they show; to make the vectors no file was read.
  CHECK(files.reads() - reads <= 10 * (asked + 4));
}

TEST_CASE_FIXTURE(EngineFixture, "a lost embedder is made again") {
  for (std::size_t i = 0; i < 120; ++i)
    files.create(kRootIno, "f" + std::to_string(i), made_text(i, i % 7));
  settle();
  CHECK(engine->counts(kRootIno)->embedder.starts_with("local version="));
  files.tell(nullptr);
  engine->stop();
  engine.reset();
  Transaction damage;
  for (const std::uint32_t id : kept(volume).in_force)
    damage.put(Tree::space, search_key::piece('e', id, 0), as_bytes(std::string_view("?")));
  REQUIRE(volume.commit(damage));
  open();
  CHECK(ask("mills by the river").hits.size() == 10);
  settle();
  CHECK(engine->counts(kRootIno)->embedder.starts_with("local version=1 "));
  CHECK(ask("mills by the river", {.mode = Mode::vector}).hits.size() == 10);
}

TEST_CASE_FIXTURE(EngineFixture, "a large space of rows is made again with its graph") {
  const Ino sift = files.mkdir(kRootIno, "sift");
  REQUIRE(engine->set_collection(sift, R"({"dim":16,"metric":"l2","embedder":"none"})"));
  std::mt19937 random(17);
  std::vector<std::vector<float>> rows;
  for (int i = 0; i < 7000; ++i) rows.push_back(random_vector(random, 16));
  const Ino file = files.create(sift, "base.fvecs", fvecs(rows));
  settle();
  for (std::size_t i = 0; i < rows.size(); i += 2) rows[i] = random_vector(random, 16);
  files.write(file, fvecs(rows));
  REQUIRE(wait());
  while (rebuilding(sift)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  CHECK(engine->counts(sift)->slots == 7000);
  const auto recall = [&] {
    std::size_t found = 0;
    for (int q = 0; q < 50; ++q) {
      const auto query = random_vector(random, 16);
      std::vector<std::pair<float, std::uint64_t>> order;
      for (std::size_t i = 0; i < rows.size(); ++i)
        order.push_back({distance(Metric::l2, query, rows[i]), i});
      std::ranges::nth_element(order, order.begin() + 10);
      std::set<std::uint64_t> expected;
      for (std::size_t i = 0; i < 10; ++i) expected.insert(order[i].second);
      for (const Hit& hit : near(query).hits) found += expected.count(hit.locator.first);
    }
    return static_cast<double>(found) / 500;
  };
  CHECK(recall() >= 0.95);
  const auto before = files.reads();
  remount();
  settle();
  CHECK(recall() >= 0.95);
  CHECK(files.reads() == before);
}

}  // namespace vexfs
