// SPDX-License-Identifier: Apache-2.0
// Goal: a flipped bit, a write that went elsewhere and a write that was lost are seen on every
// kind of block, and what they left behind is never given out.
// Method: one such fault at a time in an image that has all kinds (tests/crash/damage_image.h);
// everything is read, and compared. A table of kind, fault and outcome is printed.
#include "tests/crash/damage_image.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

#include "base/text.h"
#include "storage/blob.h"
#include "storage/check.h"
#include "storage/transaction.h"
#include "tests/crash/quiet_log.h"

using namespace vexfs;

TEST_SUITE_BEGIN("crash/damage");

namespace {

using Image = MemoryDevice::Image;
using Rng = std::mt19937_64;

enum class Fault : std::uint8_t { flip, misdirected, lost };
constexpr std::array kFaultNames = {"flipped bit", "misdirected", "lost"};
// harmless: another copy, or nothing that anybody reads. older: the state before the last frame,
// which nothing on the disk tells from a torn tail. served: what must never be.
enum class Outcome : std::uint8_t { refused, read_only, error, harmless, older, served };
constexpr std::array kOutcomeNames = {"refused",  "read-only", "error",
                                      "harmless", "older",     "SERVED"};

std::string bytes_at(const Image& image, Extent extent) {
  std::string bytes;
  for (std::uint32_t i = 0; i < extent.blocks; ++i) {
    const auto& block = image[static_cast<std::uint64_t>(extent.first) + i];
    bytes +=
        block == nullptr ? std::string(kBlockBytes, '\0') : std::string(as_text(Bytes(*block)));
  }
  return bytes;
}

void put(Image& image, Extent extent, std::string bytes) {
  bytes.resize(std::size_t{extent.blocks} * kBlockBytes);
  MemoryDevice::write_image(image, static_cast<std::uint64_t>(extent.first) * kBlockBytes,
                            as_bytes(bytes));
}

// The image with one fault; the same image where that fault would change nothing.
Image damaged(const DamageImage& good, const DamageTarget& target, Fault fault, Rng& rng) {
  Image image = good.now;
  std::vector<const DamageTarget*> alike, others;
  for (const DamageTarget& each : good.targets)
    if (each.where.front() != target.where.front())
      (each.kind == target.kind ? alike : others).push_back(&each);
  if (alike.empty()) alike = others;
  const DamageTarget& other = *alike[rng() % alike.size()];
  for (const Extent& extent : target.where) {
    std::string bytes = bytes_at(good.now, extent);
    if (fault == Fault::flip) {
      // In a padding nothing would be damaged: a byte that says something.
      std::size_t at = rng() % bytes.size();
      while (bytes[at] == 0) at = (at + 1) % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ 1 << rng() % 8);
    } else if (fault == Fault::misdirected) {
      bytes = bytes_at(good.now, other.where.front());
    } else {
      const std::string before = bytes_at(good.before, extent);
      bytes = before == bytes ? std::string() : before;
    }
    put(image, extent, std::move(bytes));
  }
  return image;
}

Outcome judge(const DamageImage& good, const Observation& seen) {
  const bool is_older = seen.opened && !seen.read_only && seen.lsn < good.lsn;
  if (seen.read_only) return Outcome::read_only;
  if (!seen.opened) return Outcome::refused;
  for (const auto& [what, shown] : seen.shown) {
    const auto right = good.shown.find(what);
    if (!is_older && (right == good.shown.end() || right->second != shown)) return Outcome::served;
  }
  if (seen.errors) return Outcome::error;
  if (is_older) return Outcome::older;
  return seen.shown.size() == good.shown.size() ? Outcome::harmless : Outcome::served;
}

bool fsck_sees(const Image& image) {
  MemoryDevice device(image);
  CheckReport report;
  const auto references = [](Tree tree, Bytes key, Bytes value,
                             std::vector<BlockReference>& into) -> Result<> {
    if (tree == Tree::extent) return file_references(tree, key, value, into);
    Transaction freeing;
    VEXFS_CHECK(free_blob(freeing, value));
    TransactionReader reader(freeing);
    for (TransactionReader::Record record; reader.next(record);)
      into.push_back({.extent = record.extent});
    return {};
  };
  const CheckOptions options{
      .threads = 1, .references = references, .referencing = {Tree::extent, Tree::chunk}};
  return !check_volume(device, options, report) || report.problems() > 0;
}

struct Row {
  std::array<unsigned, kOutcomeNames.size()> outcomes{};
  unsigned tried = 0, fsck = 0;
};

}  // namespace

TEST_CASE("whatever block is flipped, misdirected or lost, that is seen and never given out") {
  const QuietLog quiet;
  const unsigned seed = 3;
  CAPTURE(seed);
  Rng rng(seed);
  const DamageImage good = make_damage_image();
  REQUIRE_FALSE(fsck_sees(good.now));
  std::map<std::string, std::vector<const DamageTarget*>> kinds;
  for (const DamageTarget& target : good.targets) kinds[target.kind].push_back(&target);
  for (auto& [kind, targets] : kinds) {
    CAPTURE(kind);
    std::ranges::shuffle(targets, rng);
    for (const Fault fault : {Fault::flip, Fault::misdirected, Fault::lost}) {
      const std::string name = kFaultNames[static_cast<unsigned>(fault)];
      CAPTURE(name);
      Row row;
      constexpr std::size_t kTries = 8;
      for (std::size_t i = 0; i < kTries; ++i) {
        const Image image = damaged(good, *targets[i % targets.size()], fault, rng);
        if (image == good.now) continue;
        const Outcome outcome = judge(good, observe(image));
        CHECK(outcome != Outcome::served);
        CHECK((outcome != Outcome::older || kind == "log, last frame"));
        CHECK((outcome != Outcome::harmless || kind.starts_with("superblock") ||
               kind.ends_with("riders above")));
        ++row.outcomes[static_cast<unsigned>(outcome)];
        ++row.tried;
        row.fsck += fsck_sees(image) ? 1 : 0;
      }
      std::string line = format("{:32} {:12} {:2} tried:", kind, name, row.tried);
      for (std::size_t i = 0; i < row.outcomes.size(); ++i)
        if (row.outcomes[i] != 0) line += format(" {} {}", row.outcomes[i], kOutcomeNames[i]);
      line += format("; fsck {}", row.fsck);
      MESSAGE(line);
    }
  }
  CHECK(kinds.size() > 15);
  for (const char* kind : {"page of rider, level 0", "file data, compressed", "file data"})
    CHECK_MESSAGE(kinds.contains(kind), std::string(kind));
}

TEST_SUITE_END();
