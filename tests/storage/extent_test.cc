// SPDX-License-Identifier: Apache-2.0
// Goal: whatever is done to the extents of files, each block has as many references as records
// name it, is freed with the last one, and files map to what a plain map of blocks maps to.
// Method: random edits of three files that share blocks, against that map, on a volume that
// refuses to adopt or to free twice; from a printed seed. Records are fed random bytes, too.
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "storage/extent_edit.h"
#include "storage/refcount_format.h"
#include "tests/support/model_volume.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/extents");

namespace {

using Number = std::uint64_t;
constexpr Number kFiles = 3, kBlocks = 700;

// Where the content of a block of a file is: in which extent, and the how manieth block of it.
struct Place {
  Number first = 0, offset = 0;
  bool compressed = false, unwritten = false;
  friend bool operator==(const Place&, const Place&) = default;
};

class Exerciser {
 public:
  explicit Exerciser(Number seed) : rng_(seed) {}

  void step() {
    const Ino file{1 + below(kFiles)};
    ExtentEdit edit(volume_, file, Wait::allowed);
    // Some transactions hold several changes.
    for (Number changes = 1 + below(3); changes > 0; --changes) change(edit, file);
    blocks_[file] += edit.blocks_added();
    Transaction transaction;
    edit.log(transaction);
    CHECK(transaction.bytes() <= edit.log_bytes());
    REQUIRE(volume_.commit(transaction));
  }

  void check() {
    std::map<Ino, std::map<Number, Place>> found;
    std::map<Ino, std::set<std::pair<FileExtentGroup, std::uint32_t>>> groups;
    std::map<Ino, std::int64_t> blocks;
    std::map<Number, unsigned> references, counts;
    REQUIRE(volume_.scan(
        Tree::extent, Key().u64(0), {},
        [&](Bytes key, Bytes value) {
          const Ino ino{KeyReader(key).u64()};
          const auto extent = FileExtent::decode(key, value);
          REQUIRE(extent);
          for (std::uint32_t i = 0; i < extent->blocks; ++i)
            CHECK(found[ino].emplace(extent->block + i, place(*extent, i)).second);
          const Extent where = extent->where();
          for (std::uint32_t i = 0; i < where.blocks; ++i)
            ++references[static_cast<Number>(where.first) + i];
          if (!extent->compressed())
            blocks[ino] += extent->blocks;
          else if (groups[ino].emplace(extent->group(), extent->disk_blocks).second)
            blocks[ino] += extent->disk_blocks;
          return true;
        },
        Wait::allowed));
    REQUIRE(volume_.scan(
        Tree::refcount, Key().u64(0), {},
        [&](Bytes key, Bytes value) {
          const auto run = decode_refcount(key, value);
          REQUIRE(run);
          for (std::uint32_t i = 0; i < run->blocks; ++i)
            CHECK(counts.emplace(run->first + i, run->count).second);
          return true;
        },
        Wait::allowed));
    std::set<Number> referenced;
    for (const auto& [block, count] : references) {
      referenced.insert(block);
      CHECK((count == 1 ? 0 : count) == (counts.contains(block) ? counts[block] : 0));
      counts.erase(block);
    }
    CHECK(counts.empty());
    CHECK((referenced == volume_.owned()));
    CHECK((found == files_));
    for (const auto& [ino, sum] : blocks_) CHECK(blocks[ino] == sum);
  }

 private:
  Number below(Number n) { return rng_() % n; }

  static Place place(const FileExtent& extent, std::uint32_t i) {
    return {.first = static_cast<Number>(extent.first) + (extent.compressed() ? 0 : i),
            .offset = extent.compressed() ? extent.raw_offset + i : 0,
            .compressed = extent.compressed(),
            .unwritten = extent.kind == ExtentKind::unwritten};
  }
  void note(Ino file, const FileExtent& extent) {
    for (std::uint32_t i = 0; i < extent.blocks; ++i)
      files_[file][extent.block + i] = place(extent, i);
  }
  void forget(Ino file, Number from, Number to) {
    auto& blocks = files_[file];
    blocks.erase(blocks.lower_bound(from), blocks.lower_bound(to));
    if (blocks.empty()) files_.erase(file);
  }

  FileExtent fresh() {
    FileExtent extent{.block = below(kBlocks),
                      .blocks = static_cast<std::uint32_t>(1 + below(60)),
                      .kind = below(4) == 0 ? ExtentKind::unwritten : ExtentKind::data};
    std::uint32_t stored = extent.blocks;
    if (extent.kind == ExtentKind::data && below(2) == 0) {
      extent.blocks = extent.raw_blocks = static_cast<std::uint32_t>(2 + below(31));
      extent.codec = Codec::zstd;
      extent.disk_blocks = stored = static_cast<std::uint32_t>(1 + below(extent.blocks - 1));
    }
    extent.first = volume_.allocate(stored, {})->first;
    if (extent.kind == ExtentKind::data) extent.checks.assign(stored, 7);
    return extent;
  }

  void change(ExtentEdit& edit, Ino file) {
    switch (below(4)) {
      case 0: {
        const Number from = below(kBlocks), to = from + 1 + below(200);
        const auto done = edit.remove(from, to, 1 + below(40));
        REQUIRE(done);
        return forget(file, from, *done);
      }
      case 1:
        return share(edit, file);
      default: {
        const FileExtent extent = fresh();
        REQUIRE(edit.put(extent));
        note(file, extent);
      }
    }
  }

  // A piece of a record that is in the tree and still in use, to another place.
  void share(ExtentEdit& edit, Ino to) {
    const Ino from{1 + below(kFiles)};
    const Number wanted = below(kBlocks);
    std::optional<FileExtent> source;
    REQUIRE(volume_.scan(
        Tree::extent, extent_key(from, wanted), extent_key(from, kBlocksEnd),
        [&](Bytes key, Bytes value) {
          source = *FileExtent::decode(key, value);
          return false;
        },
        Wait::allowed));
    if (!source || source->kind != ExtentKind::data) return;
    for (std::uint32_t i = 0; i < source->blocks; ++i)  // changed by this edit already?
      if (!files_[from].contains(source->block + i) ||
          files_[from][source->block + i] != place(*source, i))
        return;
    const Number cut = below(source->blocks);
    FileExtent piece =
        source->cut(source->block + cut, source->end() - below(source->blocks - cut));
    piece.block = below(kBlocks);
    REQUIRE(edit.put_shared(piece));
    note(to, piece);
  }

  ModelVolume volume_;
  std::mt19937_64 rng_;
  std::map<Ino, std::map<Number, Place>> files_;
  std::map<Ino, std::int64_t> blocks_;
};

}  // namespace

TEST_CASE("random edits of files that share blocks keep the counts of a plain map") {
  for (Number seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Exerciser exerciser(seed);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < 40; ++i) exerciser.step();
      exerciser.check();
    }
  }
}

TEST_CASE("a record of random bytes is refused or is one that encodes to the same bytes") {
  std::mt19937_64 rng(1);
  const Key key = extent_key(Ino{7}, 40);
  FileExtent extent{.block = 40, .blocks = 5, .first = BlockNo{900}, .birth = 3};
  extent.codec = Codec::zstd;
  extent.raw_blocks = 20;
  extent.raw_offset = 10;
  extent.disk_blocks = 3;
  extent.checks = {1, 2, 3};
  const std::string good = extent.encode();
  unsigned refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string value = good;
    for (std::uint64_t flips = 1 + rng() % 3; flips > 0; --flips)
      value[rng() % 32] ^= static_cast<char>(1 << rng() % 8);
    const auto decoded = FileExtent::decode(key, as_bytes(value));
    if (!decoded)
      ++refused;
    else if (decoded->on_disk())
      CHECK(decoded->encode() == value);
  }
  CHECK(refused > 1000);
}

TEST_SUITE_END();
