// SPDX-License-Identifier: Apache-2.0
#include "storage/check_space.h"

#include "base/key.h"
#include "base/text.h"

namespace vexfs {

using Kind = TransactionReader::Kind;

SpaceCheck::SpaceCheck(const CheckImage& image, CheckReport& report)
    : image_(image), report_(report), map_(image.facts().data_first, image.facts().data_end) {}

void SpaceCheck::load(std::uint64_t newest_pin, BlockClaims& claims) {
  readable_ = image_.scan(Tree::free_space, [&](Bytes key, Bytes value) {
    KeyReader reader(key);
    const std::uint64_t group = reader.u64();
    const auto loaded = reader.failed() || !reader.text().empty()
                            ? fail(EUCLEAN, "a key that is no group's number")
                            : map_.decode(group, value);
    if (loaded) return true;
    readable_ = false;
    report_.add({.code = "space-record",
                 .severity = Severity::error,
                 .where = format("map of free space, group {}", group),
                 .sentence = loaded.error().what,
                 .repairable = true});
    return true;
  }) && readable_;
  if (!readable_) return;
  for (const auto& change : image_.space_changes()) apply(change, newest_pin, claims);
}

void SpaceCheck::apply(const TransactionReader::Record& change, std::uint64_t newest_pin,
                       BlockClaims& claims) {
  const bool adopt = change.kind == Kind::adopt;
  if (!map_.holds(change.extent))
    return find("log-space", Severity::error, change.extent,
                "the log names blocks outside of the data area");
  if (!adopt && newest_pin != 0 && change.extent.birth <= newest_pin) {
    claims.claim(change.extent, BlockClaims::Kind::recorded);
    return;
  }
  const auto from = static_cast<std::uint64_t>(change.extent.first);
  bool odd = false;
  for (std::uint64_t block = from; block < from + change.extent.blocks; ++block) {
    if (map_.owned(block) == adopt)
      odd = true;
    else
      map_.set_owned({.first = BlockNo{block}, .blocks = 1}, adopt);
  }
  if (odd)
    find("log-space", Severity::error, change.extent,
         adopt ? "the log adopts blocks that are in use" : "the log frees blocks that are free");
}

void SpaceCheck::find(const char* code, Severity severity, Extent run, const char* sentence) {
  right_ = false;
  const auto first = static_cast<std::uint64_t>(run.first);
  report_.add({.code = code,
               .severity = severity,
               .where = run.blocks == 1 ? format("block {}", first)
                                        : format("blocks {} to {}", first, first + run.blocks - 1),
               .sentence = sentence,
               .repairable = true});
}

std::uint64_t SpaceCheck::used_blocks() const {
  std::uint64_t used = 0;
  for (std::uint64_t b = image_.facts().data_first; b < image_.facts().data_end; ++b)
    used += map_.owned(b) ? 1 : 0;
  return used;
}

bool SpaceCheck::compare(const BlockClaims& claims, bool whole) {
  const BlockGroups& used = claims.groups();
  const std::uint64_t end = image_.facts().data_end;
  enum class Fault : std::uint8_t { none, lost, not_free, map_page };
  // A lost block that nobody can be seen to use may be that of a page which cannot be read.
  const auto fault_at = [&](std::uint64_t block) {
    const bool recorded = map_.owned(block);
    if (used.owned(block) && !recorded) return Fault::not_free;
    if (recorded && !used.busy(block)) return whole ? Fault::lost : Fault::none;
    if (recorded && !used.owned(block)) return Fault::map_page;
    return Fault::none;
  };
  for (std::uint64_t block = image_.facts().data_first; block < end && readable_;) {
    const Fault fault = fault_at(block);
    std::uint64_t next = block + 1;
    while (next < end && next - block < 0xffffffff && fault_at(next) == fault) ++next;
    const Extent run{.first = BlockNo{block}, .blocks = static_cast<std::uint32_t>(next - block)};
    if (fault == Fault::lost)
      find("blocks-lost", Severity::warning, run, "counted as used, but nothing uses them");
    if (fault == Fault::not_free)
      find("blocks-not-free", Severity::error, run,
           "in use, but counted as free: they may be overwritten");
    if (fault == Fault::map_page)
      find("blocks-map", Severity::error, run, "a page of the map of free space is recorded in it");
    block = next;
  }
  std::uint64_t count = 0;
  for (std::uint64_t b = image_.facts().data_first; b < end; ++b) count += used.busy(b) ? 1 : 0;
  report_.counts.used_blocks = count;
  report_.counts.free_blocks = end - image_.facts().data_first - count;
  return readable_ && right_;
}

}  // namespace vexfs
