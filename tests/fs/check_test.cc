// SPDX-License-Identifier: Apache-2.0
// Goal: the check of a file system is silent on one that is right, names each thing that was
// broken on purpose, and its repair leaves what it was, a second one nothing to do.
// Method: a small tree of files on a volume in memory; each case edits records by a transaction
// (so that every checksum fits) and looks for its code; then repairs and compares all trees.
#include "fs/check.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <cstring>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "fs/dentry_format.h"
#include "fs/directory.h"
#include "fs/files.h"
#include "fs/inode.h"
#include "fs/xattr_format.h"
#include "search/space_format.h"
#include "storage/file_data.h"
#include "storage/refcount_format.h"
#include "storage/superblock.h"
#include "tests/storage/shared_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/check");

namespace {

constexpr Wait kWait = Wait::allowed;

struct QuietLog {
  QuietLog() { set_log_level(Level{3}); }
  ~QuietLog() { set_log_level(Level::info); }
};

// What the tests speak of.
struct Corpus {
  Ino directory{}, file{}, linked{}, link{};
};

class Disk {
 public:
  Disk() {
    REQUIRE(Volume::format(memory, {.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20}));
    const auto volume = open();
    REQUIRE(Files::make_root(*volume, 0, 0));
    fill(*volume);
    REQUIRE(volume->close());
  }
  explicit Disk(const MemoryDevice::Image& image) : memory(image) {}
  std::unique_ptr<Volume> open() {
    // Damage to the map must not be damage to content as well.
    auto volume = Volume::open(std::make_unique<SharedDevice>(memory), {.discard = false});
    REQUIRE(volume);
    return std::move(*volume);
  }
  // `edit(volume, transaction)`, committed and checkpointed.
  template <class Edit>
  void edit(Edit edit) {
    const auto volume = open();
    Transaction transaction;
    edit(*volume, transaction);
    REQUIRE(volume->commit(transaction));
    REQUIRE(volume->close());
  }
  std::string content() { return *content_of(*open()); }
  std::unique_ptr<CheckReport> check() {
    auto report = std::make_unique<CheckReport>();
    REQUIRE(check_file_system(memory, {}, *report));
    return report;
  }
  struct Repaired {
    RepairOutcome outcome;
    CheckReport first, last;
  };
  std::unique_ptr<Repaired> repair() {
    auto repaired = std::make_unique<Repaired>();
    const auto open = [this]() -> Result<std::unique_ptr<BlockDevice>> {
      return std::make_unique<SharedDevice>(memory);
    };
    const auto outcome = repair_file_system(open, {}, repaired->first, repaired->last);
    REQUIRE(outcome);
    repaired->outcome = *outcome;
    return repaired;
  }
  void spoil(std::uint64_t offset) {
    const Buffer block = Buffer::take(kBlockBytes);
    std::memset(block.data(), 'j', block.size());
    REQUIRE(memory.write(offset, block.bytes()));
  }
  Inode inode(Volume& volume, Ino ino) {
    std::string record;
    REQUIRE(volume.get(Tree::inode, ino_key(ino), record));
    return *Inode::decode(as_bytes(record));
  }
  void put_inode(Transaction& transaction, Ino ino, const Inode& inode) {
    transaction.put(Tree::inode, ino_key(ino), bytes_of(inode.encode()));
  }
  // The one name of an inode.
  std::string dentry_of(Volume& volume, Ino ino) {
    std::string key;
    REQUIRE(names_of(
        volume, ino,
        [&](Ino parent, std::uint64_t cookie, std::string_view) {
          key = as_text(dentry_key(parent, cookie));
          return false;
        },
        kWait));
    return key;
  }

  // Another file has the first extent of the large one, too; its blocks, where they are shared.
  Extent share() {
    Extent shared;
    edit([&](Volume& volume, Transaction& transaction) {
      const auto extent = (*file_extents(volume, corpus.file, 0, 100, 1, kWait)).at(0);
      shared = extent.where();
      transaction.put(Tree::extent, extent_key(corpus.linked, 50), as_bytes(extent.encode()));
      const RefcountRecord both{.blocks = shared.blocks, .count = 2};
      transaction.put(Tree::refcount, refcount_key(shared.first), bytes_of(both));
      Inode inode = this->inode(volume, corpus.linked);
      inode.blocks += shared.blocks;
      put_inode(transaction, corpus.linked, inode);
    });
    CHECK(check()->clean());
    return shared;
  }
  // The inode's one name stands at another cookie.
  void move_name(Volume& volume, Transaction& transaction, Ino ino, std::uint64_t cookie) {
    const std::string from = dentry_of(volume, ino);
    std::string value;
    REQUIRE(volume.get(Tree::dentry, as_bytes(from), value));
    KeyReader key(as_bytes(from));
    const Ino parent{key.u64()};
    transaction.erase(Tree::dentry, as_bytes(from));
    transaction.erase(Tree::backref, backref_key(ino, parent, key.u64()));
    transaction.put(Tree::dentry, dentry_key(parent, cookie), as_bytes(value));
    transaction.put(Tree::backref, backref_key(ino, parent, cookie),
                    as_bytes(value).subspan(sizeof(DentryRecord)));
  }

  MemoryDevice memory{std::uint64_t{64} << 20};  // or an image
  Corpus corpus;

 private:
  void fill(Volume& volume) {
    ContentIndex index;
    auto files = *Files::open(volume, index, {.commit_seconds = 3600});
    const Caller caller;
    const auto write = [&](NodeId parent, std::string_view name, std::size_t bytes) {
      const auto made = files->create(caller, parent, name, 0644, O_RDWR, kWait);
      REQUIRE(made);
      const std::string text(bytes, 'x');
      REQUIRE(files->write(caller, made->entry.node, 0, 0, as_bytes(text), kWait));
      files->release(made->entry.node, 0, O_RDWR);
      return made->entry.node;
    };
    const NodeId root = 1;
    const auto directory = files->mkdir(caller, root, "a directory", 0755, kWait);
    REQUIRE(directory);
    REQUIRE(files->mkdir(caller, directory->node, "below", 0755, kWait));
    const NodeId file = write(directory->node, "large", 300'000);
    for (unsigned i = 0; i < 50; ++i)
      write(root, std::string("file ") + std::to_string(i), i * 700);
    const NodeId linked = write(root, "linked", 100);
    REQUIRE(files->link(caller, linked, directory->node, "second name", kWait));
    const auto link = files->symlink(caller, "a directory/large", root, "link", kWait);
    REQUIRE(link);
    const std::string value(9000, 'v');
    REQUIRE(files->setxattr(caller, file, "user.note", as_bytes(value), 0, kWait));
    REQUIRE(files->close());
    corpus = {.directory = Ino{directory->node},
              .file = Ino{file},
              .linked = Ino{linked},
              .link = Ino{link->node}};
  }
};

// Repaired it is clean, a second repair has nothing to do.
void check_repaired(Disk& disk) {
  const auto repaired = disk.repair();
  CHECK_MESSAGE(repaired->last.clean(), repaired->last.text());
  CHECK(repaired->outcome.rounds > 0);
  CHECK_FALSE(repaired->outcome.refused);
  CHECK(disk.repair()->outcome.rounds == 0);
}

}  // namespace

TEST_CASE("a file system that is right is clean") {
  const QuietLog quiet;
  Disk disk;
  const auto report = disk.check();
  CHECK_MESSAGE(report->findings().empty(), report->text());
  CHECK(report->counts.inodes == 56);
  CHECK(report->counts.names == 56);
  CHECK(disk.repair()->outcome.rounds == 0);
}

TEST_CASE("what is derived is made again, and nothing else changes") {
  const QuietLog quiet;
  Disk disk;
  std::string before = disk.content();
  const Corpus& corpus = disk.corpus;
  const char* code = "";
  SUBCASE("links of a file") {
    code = "links";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      Inode inode = disk.inode(volume, corpus.linked);
      inode.links = 7;
      disk.put_inode(transaction, corpus.linked, inode);
    });
  }
  SUBCASE("links, size and parent of a directory") {
    code = "directory-size";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      Inode inode = disk.inode(volume, corpus.directory);
      inode.links = 9;
      inode.size = 5;
      inode.parent = Ino{4};
      disk.put_inode(transaction, corpus.directory, inode);
    });
  }
  SUBCASE("blocks and attribute bytes") {
    code = "xattr-bytes";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      Inode inode = disk.inode(volume, corpus.file);
      inode.blocks += 3;
      inode.xattr_bytes = 0;
      disk.put_inode(transaction, corpus.file, inode);
    });
  }
  SUBCASE("a way back that is missing") {
    code = "backref-missing";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string name = disk.dentry_of(volume, corpus.file);
      KeyReader key(as_bytes(name));
      const Ino parent{key.u64()};
      transaction.erase(Tree::backref, backref_key(corpus.file, parent, key.u64()));
    });
  }
  SUBCASE("a way back that is wrong") {
    code = "backref-missing";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string name = disk.dentry_of(volume, corpus.file);
      KeyReader key(as_bytes(name));
      const Ino parent{key.u64()};
      transaction.put(Tree::backref, backref_key(corpus.file, parent, key.u64()), as_bytes("?"));
    });
  }
  SUBCASE("a way back to nothing") {
    code = "backref-nothing";
    disk.edit([&](Volume&, Transaction& transaction) {
      transaction.put(Tree::backref, backref_key(corpus.file, kRootIno, 1 << 20), as_bytes("x"));
    });
  }
  SUBCASE("a name, salvaged by the way back") {
    code = "name-lost";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      transaction.erase(Tree::dentry, as_bytes(disk.dentry_of(volume, corpus.file)));
    });
  }
  SUBCASE("the type that a name says") {
    code = "name-type";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string key = disk.dentry_of(volume, corpus.file);
      std::string value;
      REQUIRE(volume.get(Tree::dentry, as_bytes(key), value));
      value[offsetof(DentryRecord, type)] = 4;
      transaction.put(Tree::dentry, as_bytes(key), as_bytes(value));
    });
  }
  SUBCASE("an orphan that is not there") {
    code = "orphan-nothing";
    disk.edit([&](Volume&, Transaction& transaction) {
      transaction.put(Tree::orphan, ino_key(Ino{4711}), {});
    });
  }
  SUBCASE("an intent of nothing") {
    code = "intent-nothing";
    disk.edit([&](Volume&, Transaction& transaction) {
      transaction.put(Tree::intent, truncate_intent_key(Ino{4711}), Key().u64(3));
    });
  }
  SUBCASE("a name of nothing") {
    code = "name-nothing";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const Directory root(volume, volume.info().id_low, kRootIno);
      root.put(transaction, "ghost",
               {.cookie = *root.free_cookie("ghost", kWait), .ino = Ino{4711}, .type = S_IFREG});
    });
  }
  SUBCASE("attributes of nothing") {
    code = "xattr-nothing";
    disk.edit([&](Volume&, Transaction& transaction) {
      transaction.put(Tree::xattr, xattr_key(Ino{4711}, 0, 1, 0), as_bytes("?"));
    });
  }
  SUBCASE("content of nothing") {
    code = "extent-nothing";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      Extent extent = *volume.allocate(2);
      transaction.adopt(extent);
      const FileExtent record{.block = 0,
                              .blocks = extent.blocks,
                              .kind = ExtentKind::unwritten,
                              .first = extent.first};
      transaction.put(Tree::extent, extent_key(Ino{4711}, 0), as_bytes(record.encode()));
    });
  }
  SUBCASE("a name where nobody looks it up") {
    code = "name-place";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      disk.move_name(volume, transaction, corpus.file, 12345 << kCollisionBits);
    });
  }
  const auto break_share = [&](const char* what, auto edit) {
    code = what;
    const Extent shared = disk.share();
    before = disk.content();
    disk.edit([&](Volume&, Transaction& transaction) { edit(transaction, shared); });
  };
  SUBCASE("a share that is not counted") {
    break_share("shared-uncounted", [](Transaction& transaction, Extent shared) {
      transaction.erase(Tree::refcount, refcount_key(shared.first));
    });
  }
  SUBCASE("a count that is too high, and one of blocks that nobody shares") {
    break_share("shared-count", [](Transaction& transaction, Extent shared) {
      const RefcountRecord high{.blocks = 9, .count = 7}, alone{.blocks = 3, .count = 2};
      transaction.put(Tree::refcount, refcount_key(shared.first), bytes_of(high));
      transaction.put(Tree::refcount, refcount_key(BlockNo{100'000'000}), bytes_of(alone));
    });
  }
  SUBCASE("counts that are no counts") {
    break_share("refcount", [](Transaction& transaction, Extent shared) {
      transaction.put(Tree::refcount, refcount_key(shared.first), as_bytes("?"));
      transaction.put(Tree::refcount, as_bytes("odd"), as_bytes("?"));
    });
  }
  SUBCASE("the page of all counts") {
    code = "page-checksum";
    disk.share();
    before = disk.content();
    const Superblock facts = *read_superblock(disk.memory);
    disk.spoil(facts.roots[static_cast<unsigned>(Tree::refcount)].page.address * kBlockBytes);
  }
  SUBCASE("free space: blocks that nobody uses") {
    code = "blocks-lost";
    disk.edit(
        [&](Volume& volume, Transaction& transaction) { transaction.adopt(*volume.allocate(5)); });
  }
  SUBCASE("free space: blocks of a file") {
    code = "blocks-not-free";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      transaction.free((*file_extents(volume, corpus.file, 0, 100, 1, kWait)).at(0).where());
    });
  }
  SUBCASE("all ways back") {
    code = "page-checksum";
    const Superblock facts = *read_superblock(disk.memory);
    disk.spoil(facts.roots[static_cast<unsigned>(Tree::backref)].page.address * kBlockBytes);
  }
  SUBCASE("free space: the map itself") {
    code = "page-checksum";
    const Superblock facts = *read_superblock(disk.memory);
    disk.spoil(facts.roots[static_cast<unsigned>(Tree::free_space)].page.address * kBlockBytes);
  }
  const auto report = disk.check();
  CHECK_MESSAGE(report->has(code), report->text());
  check_repaired(disk);
  CHECK(disk.content() == before);
}

TEST_CASE("the next inode number is above all that are in use") {
  const QuietLog quiet;
  Disk disk;
  disk.edit([](Volume&, Transaction& transaction) {
    const le64 low = std::uint64_t{3};
    transaction.put(Tree::meta, as_bytes(kNextInoKey), bytes_of(low));
  });
  CHECK(disk.check()->has("next-inode"));
  check_repaired(disk);
}

TEST_CASE("files without a name come to lost+found, or go when no name was left to them") {
  const QuietLog quiet;
  Disk disk;
  const Ino ino = disk.corpus.file;
  bool stays = true;
  SUBCASE("name and way back are lost") {
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string name = disk.dentry_of(volume, ino);
      transaction.erase(Tree::dentry, as_bytes(name));
      KeyReader key(as_bytes(name));
      const Ino parent{key.u64()};
      transaction.erase(Tree::backref, backref_key(ino, parent, key.u64()));
    });
    CHECK(disk.check()->has("inode-lost"));
  }
  SUBCASE("the directory is lost") {
    disk.edit([&](Volume&, Transaction& transaction) {
      transaction.erase(Tree::inode, ino_key(disk.corpus.directory));
    });
    CHECK(disk.check()->has("name-parent"));
  }
  SUBCASE("its name is one that nobody can have") {
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string key = disk.dentry_of(volume, ino);
      std::string value;
      REQUIRE(volume.get(Tree::dentry, as_bytes(key), value));
      value.back() = '/';
      transaction.put(Tree::dentry, as_bytes(key), as_bytes(value));
    });
    CHECK(disk.check()->has("name-place"));
  }
  SUBCASE("its name stands where nobody looks it up, and another file has the place") {
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string key = disk.dentry_of(volume, ino);
      std::string value;
      REQUIRE(volume.get(Tree::dentry, as_bytes(key), value));
      disk.move_name(volume, transaction, ino, 12345 << kCollisionBits);
      const Directory directory(volume, volume.info().id_low, disk.corpus.directory);
      const std::string_view name = as_text(as_bytes(value).subspan(sizeof(DentryRecord)));
      const auto there = directory.find(name, kWait);
      REQUIRE(there);
      Inode inode = disk.inode(volume, disk.corpus.linked);
      ++inode.links;
      disk.put_inode(transaction, disk.corpus.linked, inode);
      directory.put(transaction, name,
                    {.cookie = there->cookie, .ino = disk.corpus.linked, .type = S_IFREG});
    });
    CHECK(disk.check()->has("name-place"));
  }
  SUBCASE("no name was left") {
    stays = false;
    disk.edit([&](Volume& volume, Transaction& transaction) {
      const std::string name = disk.dentry_of(volume, ino);
      transaction.erase(Tree::dentry, as_bytes(name));
      KeyReader key(as_bytes(name));
      const Ino parent{key.u64()};
      transaction.erase(Tree::backref, backref_key(ino, parent, key.u64()));
      Inode inode = disk.inode(volume, ino);
      inode.links = 0;
      disk.put_inode(transaction, ino, inode);
    });
    CHECK(disk.check()->has("inode-nameless"));
  }
  check_repaired(disk);
  const auto volume = disk.open();
  ContentIndex index;
  const auto files = *Files::open(*volume, index, {});
  const auto found = files->lookup({}, 1, "lost+found", kWait);
  CHECK(found.has_value() == stays);
  if (!found) return;
  const auto again =
      files->lookup({}, found->node, std::string("#") + std::to_string(std::uint64_t(ino)), kWait);
  REQUIRE(again);
  std::string text(10, '\0');
  CHECK(files->read({}, again->node, 0, 299'990, std::as_writable_bytes(std::span(text)), kWait) ==
        std::size_t{10});
  CHECK(text == "xxxxxxxxxx");
}

TEST_CASE("what would be a guess is named and left alone") {
  const QuietLog quiet;
  Disk disk;
  const char* code = "";
  SUBCASE("an inode that no version wrote") {
    code = "inode-record";
    disk.edit([&](Volume&, Transaction& transaction) {
      transaction.put(Tree::inode, ino_key(disk.corpus.file), as_bytes("?"));
    });
  }
  SUBCASE("half of an attribute") {
    code = "xattr";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      std::string last;
      REQUIRE(volume.scan(Tree::xattr, {}, {}, [&](Bytes key, Bytes) {
        last = as_text(key);
        return true;
      }));
      transaction.erase(Tree::xattr, as_bytes(last));
    });
  }
  SUBCASE("blocks of two files") {
    code = "block-twice";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      auto extent = (*file_extents(volume, disk.corpus.file, 0, 100, 1, kWait)).at(0);
      for (std::uint64_t& check : extent.checks) ++check;  // they do not say the same of them
      transaction.put(Tree::extent, extent_key(disk.corpus.linked, 50), as_bytes(extent.encode()));
    });
  }
  SUBCASE("a target that is cut off") {
    code = "target-size";
    disk.edit([&](Volume& volume, Transaction& transaction) {
      std::string value;
      REQUIRE(volume.get(Tree::extent, extent_key(disk.corpus.link, 0), value));
      value.pop_back();
      transaction.put(Tree::extent, extent_key(disk.corpus.link, 0), as_bytes(value));
    });
  }
  SUBCASE("a page of inodes") {
    code = "page-checksum";
    const Superblock facts = *read_superblock(disk.memory);
    const auto root = facts.roots[static_cast<unsigned>(Tree::inode)].page.address * kBlockBytes;
    disk.spoil(root);
  }
  REQUIRE(disk.check()->has(code));
  const auto repaired = disk.repair();
  CHECK(repaired->last.has(code));
  const auto found = repaired->last.findings();
  CHECK_FALSE(found.at(0).repairable);
}

TEST_CASE("what search has derived is dropped, and every file is owed again") {
  const QuietLog quiet;
  Disk disk;
  const char* code = "";
  SUBCASE("a run of nobody") {
    code = "run-record";
    disk.edit([](Volume&, Transaction& transaction) {
      transaction.put(Tree::vector, search_key::run(1, Ino{4711}, 0), as_bytes("?"));
    });
  }
  SUBCASE("a chunk of nobody") {
    code = "chunk-owner";
    disk.edit([](Volume&, Transaction& transaction) {
      transaction.put(Tree::chunk, search_key::chunk(Ino{4711}, 0), bytes_of(ChunkRecord{}));
    });
  }
  SUBCASE("a piece without a blob") {
    code = "piece-reference";
    disk.edit([](Volume&, Transaction& transaction) {
      transaction.put(Tree::space, search_key::piece('r', 1, 0), as_bytes("????"));
    });
  }
  SUBCASE("a queue entry that nobody knows") {
    code = "queue-record";
    disk.edit([](Volume&, Transaction& transaction) {
      transaction.put(Tree::queue, Key().u64(3).u8(77).u64(0), {});
    });
  }
  const auto report = disk.check();
  CHECK_MESSAGE(report->has(code), report->text());
  check_repaired(disk);
  std::size_t owed = 0;
  REQUIRE(disk.open()->scan(Tree::queue, {}, {}, [&](Bytes, Bytes) {
    ++owed;
    return true;
  }));
  CHECK(owed == 52);  // regular files
}

TEST_CASE("records damaged at random: the check ends, and a repaired volume stays as it is") {
  const QuietLog quiet;
  const Disk pristine;
  const MemoryDevice::Image image = pristine.memory.image();
  unsigned clean = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    Disk disk(image);
    disk.edit([&](Volume& volume, Transaction& transaction) {
      constexpr Tree kTrees[] = {Tree::inode,  Tree::dentry,  Tree::xattr,
                                 Tree::extent, Tree::backref, Tree::meta};
      for (std::uint64_t places = 1 + rng() % 3; places > 0; --places) {
        const Tree tree = kTrees[rng() % 6];
        std::vector<std::pair<std::string, std::string>> pairs;
        REQUIRE(volume.scan(tree, {}, {}, [&](Bytes key, Bytes value) {
          pairs.emplace_back(as_text(key), as_text(value));
          return true;
        }));
        auto [key, value] = pairs[rng() % pairs.size()];
        if (rng() % 3 == 0) {
          transaction.erase(tree, as_bytes(key));
          continue;
        }
        // The extent's blocks stay, so that no two files name one.
        const std::size_t at = tree == Tree::extent ? rng() % 2 : rng() % value.size();
        value[at] = static_cast<char>(value[at] ^ (1 << rng() % 8));
        transaction.put(tree, as_bytes(key), as_bytes(value));
      }
    });
    const auto repaired = disk.repair();
    const auto again = disk.repair();
    CHECK(again->outcome.rounds == 0);
    CHECK(again->last.problems() == repaired->last.problems());
    clean += repaired->last.clean() ? 1 : 0;
  }
  MESSAGE("clean after repair: ", clean, " of 40");
  CHECK(clean > 10);
}

TEST_SUITE_END();
