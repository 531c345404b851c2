// SPDX-License-Identifier: Apache-2.0
// Goal: a file device does what a memory device does, whatever the kernel lets its rings use.
// Method: random batches to both, once for each feature switched off and for all of them.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/memory_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/file_device");

namespace {

constexpr std::uint64_t kBytes = std::uint64_t{8} << 20;

struct Setting {
  const char* name;
  FileDeviceOptions options;
};
const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = {
      {"everything", {}},
      {"without O_DIRECT", {.direct_io = false}},
      {"without io_uring", {.ring = {.uring = false}}},
      {"without SINGLE_ISSUER", {.ring = {.single_issuer = false}}},
      {"without DEFER_TASKRUN", {.ring = {.defer_taskrun = false}}},
      {"without a registered ring", {.ring = {.registered_ring = false}}},
      {"without registered files", {.ring = {.registered_files = false}}},
      {"without registered buffers", {.ring = {.registered_buffers = false}}},
      {"a plain ring",
       {.ring = {.single_issuer = false,
                 .defer_taskrun = false,
                 .registered_ring = false,
                 .registered_files = false,
                 .registered_buffers = false}}},
      {"nothing", {.direct_io = false, .ring = {.uring = false}}},
  };
  return all;
}

// One transfer of up to 1 MiB somewhere; large ones may lie in pinned memory.
struct Piece {
  std::uint64_t offset = 0;
  Buffer memory;
};
Piece random_piece(Rng& rng) {
  const std::uint64_t blocks = rng() % 8 == 0 ? 1 + rng() % 256 : 1 + rng() % 8;
  const std::uint64_t first = rng() % (kBytes / kBlockBytes - blocks + 1);
  return {.offset = first * kBlockBytes, .memory = Buffer::take(blocks * kBlockBytes)};
}

void compare(BlockDevice& device, MemoryDevice& model, Rng& rng) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0, count = 1 + rng() % 200; i < count; ++i)
    pieces.push_back(random_piece(rng));
  std::vector<DeviceRead> reads;
  for (const Piece& piece : pieces)
    reads.push_back({.offset = piece.offset, .into = piece.memory.bytes()});
  REQUIRE(device.read(reads));
  const Buffer expected = Buffer::take(std::size_t{1} << 20);
  for (const Piece& piece : pieces) {
    const MutableBytes part = expected.bytes().first(piece.memory.size());
    REQUIRE(static_cast<BlockDevice&>(model).read(piece.offset, part));
    REQUIRE(std::memcmp(part.data(), piece.memory.data(), part.size()) == 0);
  }
}

void write_random(BlockDevice& device, MemoryDevice& model, Rng& rng) {
  // Pieces of one batch may be written in any order, so they do not overlap here.
  std::vector<Piece> pieces;
  for (std::size_t i = 0, count = 1 + rng() % 150; i < count; ++i) {
    const std::uint64_t first = i * (kBytes / 150 / kBlockBytes);
    pieces.push_back(
        {.offset = first * kBlockBytes, .memory = Buffer::take((1 + rng() % 12) * kBlockBytes)});
    std::memset(pieces.back().memory.data(), static_cast<int>(rng()), pieces.back().memory.size());
  }
  std::vector<DeviceWrite> writes;
  for (const Piece& piece : pieces)
    writes.push_back({.offset = piece.offset, .from = piece.memory.bytes()});
  REQUIRE(device.write(writes));
  REQUIRE(model.write(writes));
  const Piece last = random_piece(rng);
  std::memset(last.memory.data(), static_cast<int>(rng()), last.memory.size());
  const DeviceWrite flushed{.offset = last.offset, .from = last.memory.bytes()};
  REQUIRE(device.write_flushed(flushed, FlushSite::log_batch));
  REQUIRE(model.write(std::span(&flushed, 1)));
}

}  // namespace

TEST_CASE("random batches leave and find what they do in memory, with every feature off in turn") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  for (const Setting& setting : settings()) {
    CAPTURE(setting.name);
    const TemporaryFile file(kBytes);
    const auto device = open_file_device(file.path(), setting.options);
    REQUIRE(device);
    MemoryDevice model(kBytes);
    Rng rng(seed);
    for (int round = 0; round < 6; ++round) {
      write_random(**device, model, rng);
      REQUIRE((*device)->flush(FlushSite::file_content));
      compare(**device, model, rng);
    }
    // A ring of another thread, which ends before the device does.
    std::thread([&] { compare(**device, model, rng); }).join();
    const Buffer block = Buffer::take(kBlockBytes);
    CHECK((*device)->read(kBytes, block.bytes()).error().code == EIO);
    (*device)->discard(0, kBytes / 2);
    REQUIRE((*device)->read(0, block.bytes()));
    CHECK(block.bytes()[17] == std::byte{0});
  }
}

TEST_CASE("a read that meets the end of a file that was cut is EIO, the others are there") {
  for (const Setting& setting : settings()) {
    CAPTURE(setting.name);
    const TemporaryFile file(kBytes);
    const auto device = open_file_device(file.path(), setting.options);
    REQUIRE(device);
    REQUIRE(::truncate(file.path().c_str(), kBytes / 2) == 0);
    const Buffer block = Buffer::take(2 * kBlockBytes);
    const DeviceRead reads[] = {{.offset = 0, .into = block.bytes().first(kBlockBytes)},
                                {.offset = kBytes / 2, .into = block.bytes().last(kBlockBytes)}};
    CHECK((*device)->read(reads).error().code == EIO);
    CHECK((*device)->read(0, block.bytes()));
  }
}

TEST_CASE("a closed device lets its lock go, and its descriptor's number means nothing later") {
  for (const Setting& setting : settings()) {
    CAPTURE(setting.name);
    const TemporaryFile first(kBytes), second(kBytes);
    const Buffer block = Buffer::take(kBlockBytes);
    for (int round = 0; round < 3; ++round) {
      const std::string& path = round % 2 == 0 ? first.path() : second.path();
      auto device = open_file_device(path, setting.options);
      REQUIRE(device);
      CHECK(open_file_device(path, setting.options).error().code == EBUSY);
      REQUIRE((*device)->read(0, block.bytes()));
      CHECK(block.bytes()[0] == std::byte(round == 2 ? 1 : 0));
      std::memset(block.data(), round + 1, block.size());
      REQUIRE((*device)->write(0, block.bytes()));
    }
  }
}

TEST_CASE("a volume on each of them survives a crash") {
  set_log_level(Level::warn);
  for (const Setting& setting : settings()) {
    CAPTURE(setting.name);
    const TemporaryFile file(std::uint64_t{64} << 20);
    {
      auto device = open_file_device(file.path(), setting.options);
      REQUIRE(device);
      REQUIRE(Volume::format(**device, {.log_bytes = std::uint64_t{2} << 20}));
      auto volume = Volume::open(std::move(*device), {});
      REQUIRE(volume);
      for (unsigned i = 0; i < 300; ++i) {
        Transaction transaction;
        transaction.put(Tree::meta, Key().u32(i), as_bytes(std::string(900, 'v')));
        const auto lsn = (*volume)->commit(transaction);
        REQUIRE(lsn);
        if (i == 100) REQUIRE((*volume)->checkpoint());
        if (i == 299) REQUIRE((*volume)->sync(*lsn));
      }
    }
    auto device = open_file_device(file.path(), setting.options);
    REQUIRE(device);
    auto volume = Volume::open(std::move(*device), {});
    REQUIRE(volume);
    std::size_t pairs = 0;
    REQUIRE((*volume)->scan(Tree::meta, {}, {}, [&](Bytes, Bytes) { return ++pairs > 0; }));
    CHECK(pairs == 300);
  }
  set_log_level(Level::info);
}

TEST_SUITE_END();
