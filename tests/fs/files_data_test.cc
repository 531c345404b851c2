// SPDX-License-Identifier: Apache-2.0
// Goal: content is what was written, holes are zeros, and bad blocks, full volumes and cold pages
// are said and not papered over.
// Method: one property a case on a volume that can be full, cold or rotten.
#include <linux/falloc.h>

#include <chrono>
#include <map>
#include <random>

#include "storage/file_data.h"
#include "tests/fs/consistency.h"
#include "tests/fs/files_fixture.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/files: content");

TEST_CASE("a block that rots on the disk is EIO, its neighbours are not") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(100'000, 'x'));
  REQUIRE(fs.fsync(file));
  fs.volume.rotten = true;
  std::string out(100, '?');
  const MutableBytes into = std::as_writable_bytes(std::span(out));
  CHECK(code(fs.files->read(fs.caller, file, 0, 0, into, kWait)) == EIO);
  CHECK(out == std::string(100, '?'));
  CHECK(code(fs.files->write(fs.caller, file, 0, 10, as_bytes("part of a block"), kWait)) == EIO);
  fs.volume.rotten = false;
  CHECK(fs.read(file) == std::string(100'000, 'x'));
}

TEST_CASE("what was cut off never comes back, however the file grows") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(10'000, 's'));
  REQUIRE(fs.fsync(file));
  REQUIRE(fs.truncate(file, 5000));
  SUBCASE("by truncate") {
    REQUIRE(fs.truncate(file, 20'000));
  }
  SUBCASE("by truncate, after a remount") {
    fs.remount();
    REQUIRE(fs.truncate(file, 20'000));
  }
  SUBCASE("by a write far behind, after a remount") {
    fs.remount();
    fs.write(file, 19'999, std::string(1, '\0'));
  }
  const std::string expected = std::string(5000, 's') + std::string(15'000, '\0');
  CHECK(fs.read(file) == expected);
  fs.remount();
  CHECK(fs.read(file) == expected);
}

TEST_CASE("small files lie in the tree and take no blocks") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(2048, 'x'));
  fs.remount();
  CHECK(fs.stat(file).st_blocks == 0);
  CHECK(fs.read(file) == std::string(2048, 'x'));
  fs.write(file, 2048, "y");
  fs.remount();
  CHECK(fs.stat(file).st_blocks == 8);
  CHECK(fs.read(file) == std::string(2048, 'x') + "y");
}

TEST_CASE("holes take no blocks, read as zeros and are found by lseek") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f");
  fs.write(file, 1 << 20, "end");
  const auto seek = [&](std::uint64_t from, int whence) {
    const auto found = fs.files->lseek(fs.caller, file, 0, from, whence, kWait);
    return found ? static_cast<std::int64_t>(*found) : -found.error().code;
  };
  for (int round = 0; round < 2; ++round) {
    CHECK(fs.stat(file).st_blocks == 8);
    CHECK(fs.read(file, 0, 10) == std::string(10, '\0'));
    CHECK(seek(0, SEEK_DATA) == 1 << 20);
    CHECK(seek(0, SEEK_HOLE) == 0);
    CHECK(seek(1 << 20, SEEK_HOLE) == (1 << 20) + 3);
    CHECK(seek((1 << 20) + 3, SEEK_DATA) == -ENXIO);
    CHECK(seek(0, SEEK_SET) == -EINVAL);
    fs.remount();
  }
}

TEST_CASE("punching and zeroing change bytes and give blocks back; other modes are refused") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(40'960, 'x'));
  REQUIRE(fs.fsync(file));
  const auto fallocate = [&](int mode, std::uint64_t offset, std::uint64_t length) {
    return code(fs.files->fallocate(fs.caller, file, 0, mode, offset, length, kWait));
  };
  CHECK(fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 8388) == 0);
  CHECK(fs.stat(file).st_size == 40'960);
  CHECK(fs.read(file, 3999, 8390) == "x" + std::string(8388, '\0') + "x");
  fs.remount();
  CHECK(fs.read(file, 3999, 8390) == "x" + std::string(8388, '\0') + "x");
  CHECK(fs.stat(file).st_blocks == 8 * 8);
  CHECK(fallocate(FALLOC_FL_ZERO_RANGE, 40'000, 10'000) == 0);
  CHECK(fs.stat(file).st_size == 50'000);
  CHECK(fallocate(FALLOC_FL_PUNCH_HOLE, 0, 10) == EOPNOTSUPP);
  CHECK(fallocate(FALLOC_FL_COLLAPSE_RANGE, 0, 4096) == EOPNOTSUPP);
  CHECK(fallocate(FALLOC_FL_ZERO_RANGE, 0, 0) == EINVAL);
  CHECK(fallocate(FALLOC_FL_ZERO_RANGE, std::uint64_t{16} << 40, 1) == EFBIG);
}

TEST_CASE("fallocate gives blocks that read as zeros and are holes to lseek") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", "short");
  const auto fallocate = [&](int mode, std::uint64_t offset, std::uint64_t length) {
    return code(fs.files->fallocate(fs.caller, file, 0, mode, offset, length, kWait));
  };
  REQUIRE(fs.fsync(file));
  REQUIRE(fallocate(FALLOC_FL_KEEP_SIZE, 0, 3 << 20) == 0);
  CHECK(fs.stat(file).st_size == 5);
  CHECK(fs.read(file) == "short");
  REQUIRE(fallocate(0, 1 << 20, 1 << 20) == 0);
  CHECK(fs.stat(file).st_size == 2 << 20);
  fs.remount();
  CHECK(fs.stat(file).st_blocks == (3 << 20) / 512);
  CHECK((fs.read(file, 0, 2 << 20) == "short" + std::string((2 << 20) - 5, '\0')));
  const auto hole = fs.files->lseek(fs.caller, file, 0, 0, SEEK_HOLE, kWait);
  REQUIRE(hole);
  CHECK(*hole == 4096);
  CHECK(code(fs.files->lseek(fs.caller, file, 0, 4096, SEEK_DATA, kWait)) == ENXIO);
  fs.write(file, 1'500'000, "in the middle");
  fs.remount();
  CHECK(fs.stat(file).st_blocks == (3 << 20) / 512);
  CHECK(fs.read(file, 1'499'999, 15) == std::string(1, '\0') + "in the middle" + '\0');
  REQUIRE(fallocate(FALLOC_FL_ZERO_RANGE, 0, 2 << 20) == 0);
  REQUIRE(fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 2 << 20) == 0);
  fs.remount();
  CHECK(fs.stat(file).st_blocks == (1 << 20) / 512);
  CHECK((fs.read(file, 0, 2 << 20) == std::string(2 << 20, '\0')));
  check_consistent(fs.volume);
}

TEST_CASE("fallocate keeps its promise on a volume that is full since") {
  FilesFixture fs(400);
  const NodeId file = fs.file(kRootNode, "f"), other = fs.file(kRootNode, "g");
  constexpr std::uint64_t kBytes = 100 * 4096;
  REQUIRE(fs.files->fallocate(fs.caller, file, 0, 0, 0, kBytes, kWait));
  CHECK(code(fs.files->fallocate(fs.caller, other, 0, 0, 0, 400 * 4096, kWait)) == ENOSPC);
  CHECK(fs.stat(other).st_blocks == 0);
  std::uint64_t at = 0;
  const std::string piece(4096, 'g');
  while (fs.files->write(fs.caller, other, 0, at, as_bytes(piece), kWait)) at += piece.size();
  // The first time into unwritten blocks, then over what is there.
  for (const char letter : {'a', 'b', 'c'}) {
    fs.write(file, 0, std::string(kBytes, letter));
    REQUIRE(fs.fsync(file));
    CHECK((fs.read(file, 0, kBytes) == std::string(kBytes, letter)));
    fs.write(file, 5000, "a part");
    REQUIRE(fs.fsync(file));
    fs.remount();
    CHECK(fs.read(file, 4999, 8) == std::string(1, letter) + "a part" + letter);
  }
  CHECK(code(fs.files->write(fs.caller, file, 0, kBytes, as_bytes(piece), kWait)) == ENOSPC);
  check_consistent(fs.volume);
  CHECK((referenced_blocks(fs.volume) == fs.volume.owned()));
}

TEST_CASE("what can be compressed takes fewer blocks, noise takes as many as it has") {
  FilesFixture fs;
  REQUIRE(fs.files->close());
  fs.options.compression.level = 1;
  fs.open();
  std::string text, noise;
  std::mt19937_64 rng(1);
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + " bottles\n";
  for (int i = 0; i < 100'000; ++i)
    noise += std::string(8, '\0').replace(0, 8, as_text(bytes_of(rng())));
  const NodeId a = fs.file(kRootNode, "text", text), b = fs.file(kRootNode, "noise", noise);
  fs.remount();
  CHECK(static_cast<std::size_t>(fs.stat(a).st_blocks) * 512 < text.size() / 2);
  CHECK(static_cast<std::size_t>(fs.stat(b).st_blocks) * 512 >= noise.size());
  CHECK((fs.read(a, 0, 4 << 20) == text));
  CHECK((fs.read(b, 0, 4 << 20) == noise));
  CHECK((fs.read(a, 777'777, 1000) == text.substr(777'777, 1000)));
  SUBCASE("overwriting a part of it keeps the rest") {
    fs.write(a, 200'000, "not a bottle");
    text.replace(200'000, 12, "not a bottle");
  }
  SUBCASE("the last piece frees it") {
    REQUIRE(fs.truncate(a, 0));
    text.clear();
    CHECK(fs.stat(a).st_blocks == 0);
  }
  SUBCASE("rot is EIO") {
    fs.volume.rotten = true;
    std::string out(100, '?');
    CHECK(code(fs.files->read(fs.caller, a, 0, 0, std::as_writable_bytes(std::span(out)), kWait)) ==
          EIO);
    CHECK(out == std::string(100, '?'));
    fs.volume.rotten = false;
  }
  fs.remount();
  CHECK((fs.read(a, 0, 4 << 20) == text));
  check_consistent(fs.volume);
  CHECK((referenced_blocks(fs.volume) == fs.volume.owned()));
}

TEST_CASE("what is left of a compressed extent is written anew when it is less than half") {
  constexpr std::size_t kBytes = 64 * kBlockBytes;
  std::uint64_t held_for_nothing = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    FilesFixture fs;
    REQUIRE(fs.files->close());
    fs.options.compression.level = 1;
    fs.open();
    const auto words = [&](std::size_t bytes) {
      std::string text(bytes, ' ');
      const char first = static_cast<char>('a' + rng() % 20);
      for (char& c : text) c = static_cast<char>(first + rng() % 5);
      return text;
    };
    std::string content = words(kBytes);
    const NodeId file = fs.file(kRootNode, "f", content);
    fs.remount();
    for (unsigned step = 0; step < 25; ++step) {
      const std::uint64_t at = rng() % 64 * kBlockBytes;
      const std::uint64_t bytes = std::min(kBytes - at, (1 + rng() % 12) * kBlockBytes);
      if (rng() % 3 == 0) {
        REQUIRE(fs.files->fallocate(fs.caller, file, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    at, bytes, kWait));
        content.replace(at, bytes, bytes, '\0');
      } else {
        const std::string text = words(bytes);
        fs.write(file, at, text);
        content.replace(at, bytes, text);
      }
      if (rng() % 2 == 0) fs.remount();
    }
    fs.remount();
    CHECK((fs.read(file) == content));
    check_consistent(fs.volume);
    CHECK((referenced_blocks(fs.volume) == fs.volume.owned()));
    std::map<FileExtentGroup, std::uint32_t> live;
    const auto extents = file_extents(fs.volume, Ino{file}, 0, 64, 64, kWait);
    REQUIRE(extents);
    for (const FileExtent& each : *extents)
      live[each.group()] += each.compressed() ? each.blocks : 0;
    for (const FileExtent& each : *extents)
      if (each.compressed() && 2 * live[each.group()] < each.raw_blocks &&
          each.disk_blocks > live[each.group()])
        ++held_for_nothing;
  }
  CHECK(held_for_nothing == 0);
}

TEST_CASE("synced content rides in the log until it has a place") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(100'000, 'x'));
  REQUIRE(fs.fsync(file));
  fs.crash();
  const auto riders = [&] {
    unsigned count = 0;
    REQUIRE(fs.volume.scan(
        Tree::rider, Key().u64(0), {}, [&](Bytes, Bytes) { return ++count > 0; }, kWait));
    return count;
  };
  fs.write(file, 10'000, "one");
  fs.write(file, 99'999, "the end");
  REQUIRE(fs.fsync(file));
  CHECK(riders() == 2);
  std::string expected = std::string(100'000, 'x').replace(10'000, 3, "one");
  expected.replace(99'999, 1, "the end");
  SUBCASE("and is there after a crash") {
    fs.crash();
    CHECK(riders() == 2);
  }
  SUBCASE("and after two, with a newer write lost") {
    fs.write(file, 10'000, "lost");
    fs.crash();
    fs.write(file, 10'001, "lost");
    fs.crash();
  }
  SUBCASE("a truncation takes it along") {
    REQUIRE(fs.truncate(file, 98'000));
    CHECK(riders() == 1);
    fs.crash();
    REQUIRE(fs.truncate(file, 100'006));
    expected.resize(98'000);
    expected.resize(100'006);
    CHECK((fs.read(file) == expected));
    REQUIRE(fs.fsync(file));
  }
  SUBCASE("a hole, too") {
    REQUIRE(fs.files->fallocate(fs.caller, file, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                8192, 4096, kWait));
    CHECK(riders() == 1);
    expected.replace(8192, 4096, std::string(4096, '\0'));
    fs.crash();
  }
  SUBCASE("so does the end of the file") {
    REQUIRE(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
    CHECK(riders() == 0);
    return;
  }
  CHECK((fs.read(file) == expected));
  fs.remount();
  CHECK(riders() == 0);
  CHECK((fs.read(file) == expected));
  check_consistent(fs.volume);
  CHECK((referenced_blocks(fs.volume) == fs.volume.owned()));
}

TEST_CASE("a full volume refuses the write, keeps what it took, and can still delete") {
  FilesFixture fs(200);
  const NodeId file = fs.file(kRootNode, "f");
  std::uint64_t taken = 0;
  const std::string piece(64 << 10, 'x');
  int error = 0;
  while (error == 0) {
    const auto written = fs.files->write(fs.caller, file, 0, taken, as_bytes(piece), kWait);
    error = code(written);
    if (written) taken += *written;
  }
  CHECK(error == ENOSPC);
  REQUIRE(taken > 0);
  REQUIRE(fs.fsync(file));
  CHECK(fs.read(file, 0, 1 << 20) == std::string(taken, 'x'));
  CHECK(fs.truncate(file, 10));
  CHECK(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
}

TEST_CASE("Wait::never reads what is in memory and says EAGAIN for the disk") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f", std::string(10'000, 'x'));
  std::string out(100, '?');
  const MutableBytes into = std::as_writable_bytes(std::span(out));
  fs.volume.missing_percent = 100;
  CHECK(fs.files->read(fs.caller, file, 0, 0, into, Wait::never));
  fs.remount();
  CHECK(code(fs.files->getattr(fs.caller, file, Wait::never)) == EAGAIN);
  CHECK(code(fs.files->lookup(fs.caller, kRootNode, "f", Wait::never)) == EAGAIN);
  CHECK(fs.lookup_error(kRootNode, "f") == 0);
  CHECK(code(fs.files->read(fs.caller, file, 0, 0, into, Wait::never)) == EAGAIN);
  CHECK(code(fs.files->mkdir(fs.caller, kRootNode, "d", 0755, Wait::never)) == EAGAIN);
  CHECK(fs.lookup_error(kRootNode, "d") == ENOENT);
}

TEST_CASE("a fragmented file of thousands of extents goes away in bounded steps") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f");
  constexpr std::uint64_t kPieces = 3000;
  for (std::uint64_t i = 0; i < kPieces; ++i) fs.write(file, i * 8192, "piece");
  REQUIRE(fs.fsync(file));
  SUBCASE("by truncate") {
    REQUIRE(fs.truncate(file, 4096));
    CHECK(fs.stat(file).st_blocks == 8);
    REQUIRE(fs.truncate(file, kPieces * 8192));
    CHECK(fs.read(file, 8192, 4096) == std::string(4096, '\0'));
  }
  SUBCASE("by unlink") {
    REQUIRE(fs.files->unlink(fs.caller, kRootNode, "f", kWait));
  }
  SUBCASE("by truncate, crashing") {
    REQUIRE(fs.truncate(file, 0));
    fs.crash();
  }
  SUBCASE("by punching") {
    REQUIRE(fs.files->fallocate(fs.caller, file, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                kPieces * 8192, kWait));
    CHECK(fs.stat(file).st_blocks == 0);
  }
  fs.remount();
  check_consistent(fs.volume);
  CHECK(fs.volume.reserved() == 0);
}

TEST_CASE("a file is at most 16 TiB") {
  FilesFixture fs;
  const NodeId file = fs.file(kRootNode, "f");
  constexpr std::uint64_t kMax = std::uint64_t{16} << 40;
  CHECK(code(fs.files->write(fs.caller, file, 0, kMax, as_bytes("x"), kWait)) == EFBIG);
  CHECK(code(fs.truncate(file, kMax + 1)) == EFBIG);
  fs.write(file, kMax - 1, "x");
  CHECK(fs.stat(file).st_size == static_cast<off_t>(kMax));
  fs.remount();
  CHECK(fs.read(file, kMax - 1, 10) == "x");
}

TEST_SUITE_END();
