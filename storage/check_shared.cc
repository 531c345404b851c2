// SPDX-License-Identifier: Apache-2.0
#include "storage/check_shared.h"

#include <algorithm>

#include "base/text.h"
#include "storage/types.h"

namespace vexfs {

bool SharedCheck::load() {
  std::uint64_t end = 0;
  bool clear = true;
  whole_ = image_.scan(Tree::refcount, [&](Bytes key, Bytes value) {
    ++report_.counts.pairs;
    keys_.emplace_back(as_text(key));
    const auto run = decode_refcount(key, value);
    if (run && run->first >= end) {
      end = run->end();
      runs_[run->first] = {.run = *run, .seen = std::vector<std::uint32_t>(run->blocks)};
      return true;
    }
    clear = false;
    report_.add({.code = "refcount",
                 .severity = Severity::error,
                 .where = "counts of shared blocks",
                 .sentence = run ? "records overlap" : run.error().what,
                 .repairable = true});
    return true;
  });
  whole_ = whole_ && clear;
  return whole_;
}

std::vector<Extent> SharedCheck::reference(Extent extent) {
  std::vector<Extent> own;
  const auto claim = [&](std::uint64_t block) {
    if (!own.empty() && static_cast<std::uint64_t>(own.back().first) + own.back().blocks == block)
      ++own.back().blocks;
    else
      own.push_back({.first = BlockNo{block}, .blocks = 1, .birth = extent.birth});
  };
  const auto first = static_cast<std::uint64_t>(extent.first);
  auto it = runs_.upper_bound(first);
  if (it != runs_.begin()) --it;
  for (std::uint64_t block = first; block < first + extent.blocks; ++block) {
    while (it != runs_.end() && it->second.run.end() <= block) ++it;
    const bool shared = it != runs_.end() && it->first <= block;
    if (!shared || it->second.seen[block - it->first]++ == 0) claim(block);
  }
  return own;
}

void SharedCheck::claimed_before(const std::vector<std::uint64_t>& blocks) {
  for (const std::uint64_t block : blocks) ++suspects_[block].times;
}

void SharedCheck::settle(CheckFixes& fixes) {
  const bool right = compare_counts();
  if (!suspects_.empty()) look_again();
  const bool known = judge_suspects();
  if (!known || (right && whole_ && suspects_.empty())) return;
  const auto runs = right_runs();
  for (const std::string& key : keys_)
    if (const auto first = KeyReader(as_bytes(key)).u64();
        key.size() != sizeof first || !runs.contains(first))
      fixes.erase(Tree::refcount, as_bytes(key));
  for (const auto& [first, run] : runs) {
    const auto old = runs_.find(first);
    if (whole_ && old != runs_.end() && old->second.run.blocks == run.blocks &&
        old->second.run.count == run.count)
      continue;
    const RefcountRecord record{.blocks = run.blocks, .count = run.count};
    fixes.put(Tree::refcount, refcount_key(BlockNo{first}), bytes_of(record));
  }
}

bool SharedCheck::compare_counts() {
  bool right = true;
  for (const auto& [first, each] : runs_) {
    const auto wrong =
        std::ranges::find_if(each.seen, [&](std::uint32_t seen) { return seen != each.run.count; });
    if (wrong == each.seen.end()) continue;
    right = false;
    report_.add(
        {.code = "shared-count",
         .severity = Severity::error,
         .where = format("block {}", first + static_cast<std::uint64_t>(wrong - each.seen.begin())),
         .sentence = format("has {} references, its record says {}", *wrong, each.run.count),
         .repairable = true});
  }
  return right;
}

void SharedCheck::look_again() {
  image_.scan(Tree::extent, [&](Bytes key, Bytes value) {
    const auto extent = FileExtent::decode(key, value);
    if (extent && extent->on_disk()) look_at(*extent, KeyReader(key).u64());
    return true;
  });
}

void SharedCheck::look_at(const FileExtent& extent, std::uint64_t ino) {
  const auto first = static_cast<std::uint64_t>(extent.first);
  const std::uint64_t end = first + extent.where().blocks;
  for (auto it = suspects_.lower_bound(first); it != suspects_.end() && it->first < end; ++it) {
    Suspect& suspect = it->second;
    // Blocks without content of their own are never shared.
    const bool has_check = extent.kind == ExtentKind::data;
    const std::uint64_t check = has_check ? extent.checks[it->first - first] : 0;
    if (suspect.references++ == 0) {
      suspect.check = check;
      suspect.birth = extent.birth;
    }
    suspect.alike =
        suspect.alike && has_check && suspect.check == check && suspect.birth == extent.birth;
    suspect.where = format("inode {}, file block {}", ino, extent.block);
  }
}

// False: some of them are two owners'.
bool SharedCheck::judge_suspects() {
  bool known = true;
  const std::string* last = nullptr;
  for (const auto& [block, suspect] : suspects_) {
    const bool shared = suspect.alike && suspect.references == suspect.times + 1;
    known = known && shared;
    if (last != nullptr && *last == suspect.where) continue;  // a finding for each record
    last = &suspect.where;
    report_.add({.code = shared ? "shared-uncounted" : "block-twice",
                 .severity = Severity::error,
                 .where = suspect.where,
                 .sentence = shared ? format("block {} has {} references and no count", block,
                                             suspect.references)
                                    : format("block {} is also that of something else", block),
                 .repairable = shared});
  }
  return known;
}

// What the tree should say.
std::map<std::uint64_t, RefcountRun> SharedCheck::right_runs() const {
  std::map<std::uint64_t, std::uint32_t> counts;
  for (const auto& [first, each] : runs_)
    for (std::uint32_t i = 0; i < each.run.blocks; ++i)
      if (each.seen[i] > 1) counts[first + i] = each.seen[i];
  for (const auto& [block, suspect] : suspects_) counts[block] = suspect.references;
  std::map<std::uint64_t, RefcountRun> runs;
  RefcountRun* last = nullptr;
  for (const auto& [block, count] : counts) {
    const bool goes_on = last != nullptr && last->end() == block && last->count == count &&
                         last->blocks < kExtentBlocksMax;
    if (goes_on)
      ++last->blocks;
    else
      last = &(runs[block] = {.first = block, .blocks = 1, .count = count});
  }
  return runs;
}

}  // namespace vexfs
