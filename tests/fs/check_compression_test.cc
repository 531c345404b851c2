// SPDX-License-Identifier: Apache-2.0
// Goal: a check says exactly how much is compressed, after whatever happened to it.
// Method: one file of known content, shared, punched, cut off, overwritten; its blocks as stat()
// has them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/falloc.h>

#include "fs/check.h"
#include "fs/files.h"
#include "tests/storage/shared_device.h"
#include "tests/storage/volume_tools.h"

using namespace vexfs;

namespace {
constexpr Wait kWait = Wait::allowed;
}  // namespace

TEST_CASE("what is compressed is counted: as files read it, and as it is stored") {
  MemoryDevice memory{std::uint64_t{64} << 20};
  REQUIRE(Volume::format(memory, {.size_bytes = 0, .log_bytes = std::uint64_t{2} << 20}));
  const Caller caller{};
  const auto mounted = [&](auto work) {
    const auto volume = Volume::open(std::make_unique<SharedDevice>(memory), {}).value();
    ContentIndex index;
    auto files = Files::open(*volume, index, {.compression = {.level = 1}});
    REQUIRE(files);
    work(**files);
    REQUIRE((*files)->close());
    files->reset();
    REQUIRE(volume->close());
  };
  {
    const auto volume = Volume::open(std::make_unique<SharedDevice>(memory), {}).value();
    REQUIRE(Files::make_root(*volume, 0, 0));
    REQUIRE(volume->close());
  }
  NodeId text = 0, copy = 0;
  const auto create = [&](Files& files, const char* name) {
    const auto made = files.create(caller, kRootNode, name, 0644, O_RDWR, kWait);
    REQUIRE(made);
    return made->entry.node;
  };
  const auto write = [&](Files& files, NodeId node, std::uint64_t at, const std::string& bytes) {
    REQUIRE(files.write(caller, node, 0, at, as_bytes(bytes), kWait));
  };
  // `plain`: blocks of these files that are not compressed.
  const auto check = [&](std::uint64_t raw, std::uint64_t plain) {
    std::uint64_t blocks = 0;
    mounted([&](Files& files) {
      for (const NodeId node : {text, copy})
        if (node != 0)
          blocks += static_cast<std::uint64_t>(
                        files.getattr(caller, node, kWait).value().attr.st_blocks) /
                    8;
    });
    CheckReport report;
    REQUIRE(check_file_system(memory, {}, report));
    CHECK_MESSAGE(report.clean(), report.text());
    CHECK(report.counts.compressed_raw_blocks == raw);
    CHECK(report.counts.compressed_stored_blocks == blocks - plain);
    CHECK(report.counts.compressed_stored_blocks * 2 < raw);
  };
  mounted([&](Files& files) {
    text = create(files, "text");
    std::string words;
    for (int i = 0; words.size() < 64 * kBlockBytes; ++i) words += std::to_string(i) + " bottles\n";
    write(files, text, 0, words.substr(0, 64 * kBlockBytes));
  });
  check(64, 0);
  mounted([&](Files& files) {
    copy = create(files, "copy");
    CHECK(files.copy_range(caller, text, 0, copy, 0, 64 * kBlockBytes, kWait).value() ==
          64 * kBlockBytes);
  });
  check(128, 0);
  mounted([&](Files& files) {
    REQUIRE(files.fallocate(caller, copy, 0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            4 * kBlockBytes, 4 * kBlockBytes, kWait));
  });
  check(124, 0);
  mounted([&](Files& files) {
    SetAttr shorter;
    shorter.size = true;
    shorter.attr.st_size = 40 * kBlockBytes;
    REQUIRE(files.setattr(caller, text, shorter, kWait));
  });
  check(100, 0);
  Rng rng(1);
  mounted(
      [&](Files& files) { write(files, copy, 20 * kBlockBytes, random_bytes(rng, kBlockBytes)); });
  check(99, 1);
}
