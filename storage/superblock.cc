// SPDX-License-Identifier: Apache-2.0
#include "storage/superblock.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/buffer_pool.h"
#include "base/hash.h"
#include "base/log.h"

namespace vexfs {

namespace {

std::uint64_t check_of(const std::byte* copy) {
  return hash64(Bytes(copy, offsetof(SuperblockRecord, check)));
}

void encode(const Superblock& facts, std::byte* copy) {
  std::memset(copy, 0, sizeof(SuperblockRecord));
  auto& record = *new (copy) SuperblockRecord{};
  record.magic = kSuperblockMagic;
  record.version = facts.version;
  record.version_min = kFormatVersionMin;
  record.id_high = facts.id_high;
  record.id_low = facts.id_low;
  record.size_bytes = facts.size_bytes;
  record.log_bytes = facts.log_bytes;
  record.data_first = facts.data_first;
  record.data_end = facts.data_end;
  record.sequence = facts.sequence;
  record.generation = facts.generation;
  record.checkpoint_lsn = static_cast<std::uint64_t>(facts.checkpoint_lsn);
  record.log_position = facts.log_position;
  record.mount_epoch = facts.mount_epoch;
  record.clean = facts.clean ? 1 : 0;
  record.block_bytes = kBlockBytes;
  record.page_bytes = kPageBytes;
  for (unsigned i = 0; i < kTreeCount; ++i)
    record.roots[i] = {.page = facts.roots[i].page,
                       .level = static_cast<std::uint8_t>(facts.roots[i].level),
                       .reserved = {}};
  record.check = check_of(copy);
}

bool all_zero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

bool geometry_holds(const SuperblockRecord& record) {
  const std::uint64_t log_end = kLogOffset + record.log_bytes;
  return record.block_bytes == kBlockBytes && record.page_bytes == kPageBytes &&
         record.log_bytes % kBlockBytes == 0 && record.log_bytes >= kLogBytesMin &&
         record.log_bytes <= record.size_bytes && record.data_first * kBlockBytes >= log_end &&
         record.data_first % kPageBlocks == 0 && record.data_end % kPageBlocks == 0 &&
         record.data_first < record.data_end && record.data_end <= record.size_bytes / kBlockBytes;
}

// One copy that has checked. ENOTSUP or EUCLEAN.
Result<Superblock> decode(const SuperblockRecord& record) {
  if (record.version_min > kFormatVersion || record.features_needed != 0)
    return fail(ENOTSUP, "superblock: a newer format");
  const bool spare = record.reserved0 == 0 && all_zero(record.reserved);
  if (!spare || record.clean > 1 || !geometry_holds(record))
    return fail(EUCLEAN, "superblock: fields that nothing writes");
  Superblock facts{.id_high = record.id_high,
                   .id_low = record.id_low,
                   .version = record.version,
                   .size_bytes = record.size_bytes,
                   .log_bytes = record.log_bytes,
                   .data_first = record.data_first,
                   .data_end = record.data_end,
                   .sequence = record.sequence,
                   .generation = record.generation,
                   .checkpoint_lsn = Lsn{std::uint64_t{record.checkpoint_lsn}},
                   .log_position = record.log_position,
                   .mount_epoch = record.mount_epoch,
                   .clean = record.clean == 1,
                   .roots = {}};
  for (unsigned i = 0; i < kTreeCount; ++i) {
    const RootRecord& root = record.roots[i];
    if (!all_zero(root.reserved) || root.level >= kLevelsMax)
      return fail(EUCLEAN, "superblock: a root that nothing writes");
    facts.roots[i] = {.page = root.page, .level = root.level};
  }
  for (unsigned i = kTreeCount; i < kRootsMax; ++i)
    if (!all_zero(std::bit_cast<std::array<std::uint8_t, sizeof(RootRecord)>>(record.roots[i])))
      return fail(EUCLEAN, "superblock: a root that nothing writes");
  return facts;
}

// What one pass over the copies found.
struct Search {
  std::optional<Superblock> newest;
  Error refused{.code = EMEDIUMTYPE, .what = "superblock: not a volume"};
  unsigned damaged = 0;
};

void look_at(const std::byte* copy, Search& search) {
  const auto& record = *std::launder(reinterpret_cast<const SuperblockRecord*>(copy));
  if (record.check != check_of(copy)) {
    if (record.magic != kSuperblockMagic) return;
    ++search.damaged;
    if (search.refused.code == EMEDIUMTYPE)
      search.refused = {.code = EUCLEAN, .what = "superblock: every copy is damaged"};
    return;
  }
  if (record.magic != kSuperblockMagic) return;
  const Result<Superblock> facts = decode(record);
  if (!facts)
    search.refused = facts.error();
  else if (!search.newest || search.newest->sequence < facts->sequence)
    search.newest = *facts;
}

Result<> write_copies(BlockDevice& device, Superblock& facts) {
  ++facts.sequence;
  const Buffer copy = Buffer::take(sizeof(SuperblockRecord));
  encode(facts, copy.data());
  const auto slot = static_cast<unsigned>(facts.sequence % kSuperblockSlots);
  std::array<DeviceWrite, kSuperblockCopies> writes;
  for (unsigned c = 0; c < kSuperblockCopies; ++c)
    writes[c] = {.offset = superblock_offset(slot, c), .from = copy.bytes()};
  return device.write(writes);
}

}  // namespace

Result<Superblock> read_superblock(BlockDevice& device) {
  const Buffer copy = Buffer::take(sizeof(SuperblockRecord));
  Search search;
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot) {
    for (unsigned c = 0; c < kSuperblockCopies; ++c) {
      const std::uint64_t offset = superblock_offset(slot, c);
      if (offset + copy.size() > device.size_bytes()) continue;
      if (!device.read(offset, copy.bytes())) {
        ++search.damaged;
        search.refused = {.code = EIO, .what = "superblock: cannot be read"};
        continue;
      }
      look_at(copy.data(), search);
    }
  }
  if (!search.newest) return std::unexpected(search.refused);
  if (search.refused.code == ENOTSUP) return std::unexpected(search.refused);
  if (search.damaged > 0)
    log(Level::warn, "superblock", "damaged copies", {{"count", std::uint64_t{search.damaged}}});
  if (search.newest->size_bytes > device.size_bytes()) {
    log(Level::error, "superblock", "the device is shorter than the volume",
        {{"device_bytes", device.size_bytes()}, {"volume_bytes", search.newest->size_bytes}});
    return fail(EFBIG, "superblock: the device is shorter than the volume");
  }
  return *search.newest;
}

Result<Superblock> read_superblock_copy(BlockDevice& device, unsigned slot, unsigned copy) {
  const Buffer bytes = Buffer::take(sizeof(SuperblockRecord));
  const std::uint64_t offset = superblock_offset(slot, copy);
  if (offset + bytes.size() > device.size_bytes()) return fail(EMEDIUMTYPE, "superblock: none");
  VEXFS_CHECK(device.read(offset, bytes.bytes()));
  Search search;
  look_at(bytes.data(), search);
  if (!search.newest) return std::unexpected(search.refused);
  return *search.newest;
}

Result<> write_superblock(BlockDevice& device, Superblock& superblock, FlushSite site) {
  VEXFS_CHECK(write_copies(device, superblock));
  return device.flush(site);
}

Result<> write_all_superblocks(BlockDevice& device, Superblock& superblock) {
  for (unsigned slot = 0; slot < kSuperblockSlots; ++slot)
    VEXFS_CHECK(write_copies(device, superblock));
  return device.flush(FlushSite::format);
}

}  // namespace vexfs
