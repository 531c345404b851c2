// SPDX-License-Identifier: Apache-2.0
// Goal: a volume does what the model does, through closing, crashing and opening again.
// Method: random transactions with a printed seed, on memory and on a real file; the whole
// content is compared with tests/support/model_volume.h.
#include "storage/volume.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "base/buffer_pool.h"
#include "base/key.h"
#include "storage/memory_device.h"
#include "tests/storage/volume_tools.h"
#include "tests/support/model_volume.h"

using namespace vexfs;

TEST_SUITE_BEGIN("storage/volume");

namespace {

constexpr std::uint64_t kVolumeBytes = std::uint64_t{64} << 20;
constexpr FormatOptions kFormat{.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20};

}  // namespace

TEST_CASE("what was committed and synced survives a crash, closing and opening, on a real file") {
  TemporaryFile file(kVolumeBytes);
  {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    CHECK(open_file_device(file.path(), {}).error().code == EBUSY);
    CHECK(Volume::looks_like_volume(**device) == false);
    REQUIRE(Volume::format(**device, {}));
    CHECK(Volume::looks_like_volume(**device) == true);
  }
  const auto reopen = [&] {
    // After a crash the kernel may hold the ring, and with it the lock, for a moment longer.
    auto device = open_file_device(file.path(), {});
    for (int tries = 0; !device && device.error().code == EBUSY && tries < 500; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      device = open_file_device(file.path(), {});
    }
    REQUIRE(device);
    auto volume = Volume::open(std::move(*device), {});
    REQUIRE(volume);
    return std::move(*volume);
  };
  const unsigned seed = 7;
  CAPTURE(seed);
  std::mt19937_64 rng(seed);
  ModelVolume model;
  for (unsigned life = 0; life < 6; ++life) {
    CAPTURE(life);
    auto volume = reopen();
    CHECK(same_content(*volume, model));
    CHECK(volume->info().was_clean == (life % 2 == 0));
    for (unsigned i = 0; i < 300; ++i) commit_random(rng, *volume, model);
    CHECK(same_content(*volume, model));
    REQUIRE(volume->sync(volume->last_lsn()));
    if (life % 3 == 2) REQUIRE(volume->checkpoint());
    if (life % 2 == 1) REQUIRE(volume->close());
  }
}

TEST_CASE("random transactions leave what they leave in the model") {
  for (const unsigned seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    std::mt19937_64 rng(seed);
    MemoryDevice disk(kVolumeBytes);
    REQUIRE(Volume::format(disk, kFormat));
    auto volume = Volume::open(std::make_unique<MemoryDevice>(disk.image()), {});
    REQUIRE(volume);
    ModelVolume model;
    for (unsigned i = 0; i < 3000; ++i) {
      commit_random(rng, **volume, model);
      if (i % 500 == 0) REQUIRE((*volume)->checkpoint());
      if (i % 300 == 0) REQUIRE(same_content(**volume, model));
    }
    CHECK(same_content(**volume, model));
  }
}

TEST_CASE("each sync policy answers as it promises, and close() keeps everything") {
  for (const SyncPolicy policy :
       {SyncPolicy::strict, SyncPolicy::fsync, SyncPolicy::interval, SyncPolicy::none}) {
    CAPTURE(static_cast<int>(policy));
    TemporaryFile file(kVolumeBytes);
    const auto open = [&] {
      auto device = open_file_device(file.path(), {});
      REQUIRE(device);
      return std::move(*device);
    };
    REQUIRE(Volume::format(*open(), kFormat));
    {
      auto volume = Volume::open(open(), {.sync = policy, .interval_ms = 10});
      REQUIRE(volume);
      Transaction transaction;
      transaction.put(Tree::meta, as_bytes("k"), as_bytes("v"));
      const bool strict = policy == SyncPolicy::strict;
      CHECK((*volume)->commit(transaction, {.wait = Wait::never}).has_value() != strict);
      if (strict) REQUIRE((*volume)->commit(transaction));
      REQUIRE((*volume)->sync((*volume)->last_lsn()));
      REQUIRE((*volume)->close());
    }
    auto volume = Volume::open(open(), {});
    REQUIRE(volume);
    std::string value;
    REQUIRE((*volume)->get(Tree::meta, as_bytes("k"), value));
    CHECK(value == "v");
  }
}

// A page without keys on the disk was taken for damage at the next open.
TEST_CASE("a transaction refused for want of space leaves nothing of its trees in a checkpoint") {
  TemporaryFile file(kVolumeBytes);
  {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, kFormat));
    auto volume = Volume::open(std::move(*device), {});
    REQUIRE(volume);
    std::vector<Extent> all;
    for (std::uint32_t blocks = kExtentBlocksMax; blocks > 0; blocks /= 2)
      while (const auto extent = (*volume)->allocate(blocks)) all.push_back(*extent);
    constexpr std::uint32_t kRoom = 16;  // blocks: a root and little more
    Extent& part = all.front();
    (*volume)->release({.first = part.first, .blocks = kRoom});
    part = {.first = BlockNo{static_cast<std::uint64_t>(part.first) + kRoom},
            .blocks = part.blocks - kRoom};
    Transaction transaction;
    const std::string value(kValueBytesMax, 'v');
    for (unsigned i = 0; i < 60; ++i) transaction.put(Tree::vector, Key().u32(i), as_bytes(value));
    const auto lsn = (*volume)->commit(transaction);
    REQUIRE(!lsn);
    CHECK(lsn.error().code == ENOSPC);
    for (const Extent& extent : all) (*volume)->release(extent);
    Transaction other;
    other.put(Tree::meta, as_bytes("k"), as_bytes("v"));
    REQUIRE((*volume)->commit(other));
    REQUIRE((*volume)->close());
  }
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  auto volume = Volume::open(std::move(*device), {});
  REQUIRE(volume);
  std::string value;
  CHECK((*volume)->get(Tree::meta, as_bytes("k"), value));
  const auto absent = (*volume)->get(Tree::vector, Key().u32(1), value);
  REQUIRE(!absent);
  CHECK(absent.error().code == ENOENT);
}

TEST_CASE("data blocks: allocate, write, adopt, read after a crash; what was not adopted is free") {
  TemporaryFile file(kVolumeBytes);
  Extent kept{}, lost{};
  std::uint64_t free_before = 0;
  const Buffer data = Buffer::take(std::size_t{8} * kBlockBytes);
  std::memset(data.data(), 0x5a, data.size());
  {
    auto device = open_file_device(file.path(), {});
    REQUIRE(device);
    REQUIRE(Volume::format(**device, kFormat));
    auto volume = Volume::open(std::move(*device), {});
    REQUIRE(volume);
    free_before = (*volume)->space().free;
    kept = (*volume)->allocate(8).value();
    lost = (*volume)->allocate(100).value();
    CHECK(kept.blocks == 8);
    CHECK((*volume)->space().free == free_before - 8 - lost.blocks);
    REQUIRE((*volume)->write_blocks(kept.first, data.bytes()));
    REQUIRE((*volume)->flush_data(FlushSite::file_content));
    Transaction transaction;
    transaction.adopt(kept);
    transaction.put(Tree::meta, as_bytes("k"), as_bytes("v"));
    const auto lsn = (*volume)->commit(transaction);
    REQUIRE(lsn);
    REQUIRE((*volume)->sync(*lsn));
  }
  auto device = open_file_device(file.path(), {});
  REQUIRE(device);
  auto volume = Volume::open(std::move(*device), {});
  REQUIRE(volume);
  const Buffer read = Buffer::take(data.size());
  REQUIRE((*volume)->read_blocks(kept.first, read.bytes()));
  CHECK(std::memcmp(read.data(), data.data(), data.size()) == 0);
  // One tree page holds the pair.
  CHECK((*volume)->space().free == free_before - 8 - kPageBytes / kBlockBytes);
}

TEST_SUITE_END();
