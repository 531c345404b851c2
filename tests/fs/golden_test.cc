// SPDX-License-Identifier: Apache-2.0
// Goal: every released format is read for ever, byte for byte, and a newer one is refused.
// Method: the images of tests/storage/golden (made by golden_maker.cc) are checked as fsck does,
// opened, and compared with the lists beside them.
#include <doctest/doctest.h>

#include <cstring>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/text.h"
#include "fs/check.h"
#include "storage/superblock.h"
#include "tests/storage/shared_device.h"
#include "tests/support/golden_image.h"

using namespace vexfs;

TEST_SUITE_BEGIN("fs/golden");

namespace {

std::string path_of(unsigned version, const char* end) {
  return format("{}/tests/storage/golden/v{}{}", VEXFS_SOURCE_ROOT, version, end);
}

}  // namespace

TEST_CASE("golden images hold what they held when they were made") {
  for (unsigned version = kFormatVersionMin; version <= kFormatVersion; ++version) {
    CAPTURE(version);
    const std::string list = text_of_file(path_of(version, ".list"));
    REQUIRE(list.size() > 500);
    MemoryDevice disk(load_golden(path_of(version, ".img.zst")));
    CheckReport report;
    REQUIRE(check_file_system(disk, {.threads = 1}, report));
    CHECK_MESSAGE(report.clean(), report.text());
    CHECK(report.counts.log_transactions > 0);
    for (const bool read_only : {true, false}) {
      const auto volume =
          Volume::open(std::make_unique<SharedDevice>(disk), {.read_only = read_only});
      REQUIRE(volume);
      CHECK(list_of(**volume) == list);
      if (!read_only) REQUIRE((*volume)->close());
    }
    CheckReport closed;
    REQUIRE(check_file_system(disk, {.threads = 1}, closed));
    CHECK_MESSAGE(closed.clean(), closed.text());
  }
}

TEST_CASE("a format that only newer programs read is refused") {
  MemoryDevice disk(load_golden(path_of(kFormatVersion, ".img.zst")));
  const Buffer copy = Buffer::take(kBlockBytes);
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot)
    for (unsigned c = 0; c < kSuperblockCopies; ++c) {
      REQUIRE(disk.read(superblock_offset(slot, c), copy.bytes()));
      SuperblockRecord record;
      std::memcpy(&record, copy.data(), sizeof record);
      record.version = kFormatVersion + 1;
      record.version_min = kFormatVersion + 1;
      record.check = hash64(bytes_of(record).first(offsetof(SuperblockRecord, check)));
      std::memcpy(copy.data(), &record, sizeof record);
      REQUIRE(disk.write(superblock_offset(slot, c), copy.bytes()));
    }
  CHECK(Volume::open(std::make_unique<SharedDevice>(disk), {}).error().code == ENOTSUP);
  CheckReport report;
  CHECK(check_file_system(disk, {}, report).error().code == ENOTSUP);
}

TEST_SUITE_END();
