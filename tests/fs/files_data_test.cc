// SPDX-License-Identifier: Apache-2.0
// Goal: content is what was written, holes are zeros, and bad blocks, full volumes and cold pages
// are said and not papered over.
// Method: one property a case on a volume that can be full, cold or rotten.
#include <linux/falloc.h>

#include <chrono>

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
  CHECK(fallocate(0, 0, 4096) == EOPNOTSUPP);
  CHECK(fallocate(FALLOC_FL_ZERO_RANGE, 0, 0) == EINVAL);
  CHECK(fallocate(FALLOC_FL_ZERO_RANGE, std::uint64_t{16} << 40, 1) == EFBIG);
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
