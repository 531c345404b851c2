// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/many_extents.h"

#include <algorithm>
#include <array>

#include "base/hash.h"
#include "fs/inode.h"
#include "fs/inode_format.h"
#include "storage/file_extent.h"

namespace vexfs {

namespace {

// Adds extents to the end of one file, several in a transaction.
class Appender {
 public:
  Appender(Volume& volume, NodeId file) : volume_(volume), ino_(static_cast<Ino>(file)) {}

  Result<> add(std::uint64_t block, Extent extent) {
    const FileExtent record{.block = block,
                            .blocks = extent.blocks,
                            .first = extent.first,
                            .birth = volume_.info().mount_epoch,
                            .checks = std::vector<std::uint64_t>(extent.blocks, zero_check_)};
    const std::string value = record.encode();
    transaction_.adopt(extent);
    transaction_.put(Tree::extent, extent_key(ino_, block), as_bytes(value));
    blocks_ += extent.blocks;
    end_ = record.end();
    constexpr std::size_t kEnough = 64 << 10;
    return transaction_.bytes() < kEnough ? Result<>() : commit();
  }
  Result<> finish() {
    VEXFS_CHECK(commit());
    std::string value;
    VEXFS_CHECK(volume_.get(Tree::inode, ino_key(ino_), value));
    VEXFS_TRY(Inode inode, Inode::decode(as_bytes(value)));
    inode.size = end_ * kBlockBytes;
    inode.blocks = blocks_;
    transaction_.put(Tree::inode, ino_key(ino_), bytes_of(inode.encode()));
    return commit();
  }

 private:
  Result<> commit() {
    VEXFS_TRY([[maybe_unused]] const Lsn lsn, volume_.commit(transaction_, {.freeing = true}));
    return {};
  }

  Volume& volume_;
  const Ino ino_;
  const std::uint64_t zero_check_ = hash64(std::array<std::byte, kBlockBytes>{});
  Transaction transaction_;
  std::uint64_t blocks_ = 0, end_ = 0;
};

}  // namespace

Result<> make_many_extents(Volume& volume, NodeId file, std::uint64_t count, std::uint64_t stride) {
  Appender appender(volume, file);
  Extent run;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (run.blocks == 0) {
      const auto wanted = std::min<std::uint64_t>(kExtentBlocksMax, count - i);
      VEXFS_TRY(run, volume.allocate(static_cast<std::uint32_t>(wanted), run.first));
    }
    VEXFS_CHECK(appender.add(i * stride, {.first = run.first, .blocks = 1}));
    run = {.first = BlockNo{static_cast<std::uint64_t>(run.first) + 1}, .blocks = run.blocks - 1};
  }
  return appender.finish();
}

Result<> fill_volume(Volume& volume, NodeId file, std::uint64_t left) {
  Appender appender(volume, file);
  for (std::uint64_t block = 0, free; (free = volume.space().free) > left;) {
    const auto wanted = std::min<std::uint64_t>(kExtentBlocksMax, free - left);
    const auto extent = volume.allocate(static_cast<std::uint32_t>(wanted));
    if (!extent) break;
    VEXFS_CHECK(appender.add(block, *extent));
    block += extent->blocks;
  }
  return appender.finish();
}

Result<std::uint64_t> count_extents(Volume& volume, NodeId file, std::uint64_t from_block) {
  const Ino ino{static_cast<std::uint64_t>(file)};
  std::uint64_t count = 0;
  VEXFS_CHECK(volume.scan(Tree::extent, extent_key(ino, from_block),
                          extent_key(Ino{static_cast<std::uint64_t>(file) + 1}, 0),
                          [&](Bytes, Bytes) { return ++count > 0; }));
  return count;
}

}  // namespace vexfs
