// SPDX-License-Identifier: Apache-2.0
#include "storage/check_snapshots.h"

#include <algorithm>

#include "base/text.h"

namespace vexfs {

void SnapshotCheck::find(const char* code, std::uint64_t generation, std::string sentence) {
  report_.add({.code = code,
               .severity = Severity::error,
               .where = format("snapshot {}", generation),
               .sentence = std::move(sentence)});
}

bool SnapshotCheck::load() {
  std::vector<std::uint64_t> numbers;  // those that are being removed too
  whole_ = image_.scan(Tree::snapshot, Key().u8('s'), Key().u8('s' + 1), [&](Bytes key, Bytes v) {
    const auto snapshot = decode_snapshot(key, v);
    if (!snapshot) {
      find("snapshot-record", 0, snapshot.error().what);
      whole_ = false;
      return true;
    }
    numbers.push_back(snapshot->root.generation);
    if (snapshot->removing) return true;
    newest_ = std::max(newest_, snapshot->root.generation);
    roots_.push_back(snapshot->root);
    return true;
  }) && whole_;
  const bool lists =
      image_.scan(Tree::snapshot, Key().u8('d'), Key().u8('d' + 1), [&](Bytes key, Bytes value) {
        KeyReader reader(key);
        reader.u8();
        const std::uint64_t generation = reader.u64();
        if (std::ranges::find(numbers, generation) == numbers.end())
          find("snapshot-dead", generation, "is not there, but has a list of dead extents");
        claim(generation, key, value);
        return true;
      });
  return whole_ && lists;
}

void SnapshotCheck::claim(std::uint64_t generation, Bytes, Bytes value) {
  const auto extents = decode_dead(value);
  if (!extents) {
    whole_ = false;
    return find("snapshot-dead", generation, extents.error().what);
  }
  for (const Extent& extent : *extents) {
    const auto first = static_cast<std::uint64_t>(extent.first);
    if (extent.birth > generation)
      find("snapshot-dead", generation, format("block {} is younger than the snapshot", first));
    const auto claimed = claims_.claim(extent, BlockClaims::Kind::recorded);
    if (claimed == BlockClaims::Claimed::outside)
      find("block-outside", generation, "names dead blocks outside of the data area");
    if (claimed == BlockClaims::Claimed::twice)
      find("block-twice", generation, format("dead blocks from {} are in use", first));
  }
}

void SnapshotCheck::check_data(const CheckOptions& options, DataCheck& data) {
  std::vector<BlockReference> references;
  for (const PinnedRoot& root : roots_)
    for (const Tree tree : options.referencing)
      image_.scan_pinned(
          tree, root.roots[static_cast<unsigned>(tree)], [&](Bytes key, Bytes value) {
            references.clear();
            const auto known = options.references ? options.references(tree, key, value, references)
                                                  : file_references(tree, key, value, references);
            if (!known) find("snapshot-data", root.generation, known.error().what);
            for (BlockReference& each : references) {
              const BlockGroups& used = claims_.groups();
              const auto first = static_cast<std::uint64_t>(each.extent.first);
              bool kept = used.holds(each.extent);
              for (std::uint64_t i = 0; kept && i < each.extent.blocks; ++i)
                kept = used.owned(first + i);
              if (!kept)
                find("snapshot-data", root.generation,
                     format("blocks from {} are held by it, but nothing keeps them", first));
              else if (options.data && !each.checks.empty())
                data.add(std::move(each), format("snapshot {}", root.generation));
            }
            return true;
          });
}

}  // namespace vexfs
