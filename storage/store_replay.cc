// SPDX-License-Identifier: Apache-2.0
// How the log becomes trees again.
//
// Frames are replayed in batches, for each tree on its own and by key: putting or erasing a pair
// again is harmless, only a key's last record counts, and no tree knows of another. So a batch
// runs on several threads and may be begun again after a checkpoint that made room. Its adopts and
// frees happen once, in order, at the end. What a checkpoint then holds of transactions behind its
// cut is put again by the replay that comes after it; its flush has made the log durable that this
// came from.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "base/buffer_pool.h"
#include "base/log.h"
#include "storage/store.h"
#include "storage/wal_reader.h"

namespace vexfs {

using Kind = TransactionReader::Kind;

namespace {

constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
constexpr std::size_t kParallelBytesMin = std::size_t{256} << 10;  // below, threads do not pay
constexpr unsigned kThreadsMax = 4;
constexpr unsigned kPutsPerPromise = 32;

using Records = std::vector<TransactionReader::Record>;

// The last record of each key, by key: a tree goes down once a leaf for those.
Records in_order(const Records& all) {
  struct Place {
    std::uint64_t begin = 0;  // of the key, as a number
    std::uint32_t index = 0;
  };
  std::vector<Place> places(all.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    std::array<std::uint8_t, 8> begin{};
    std::memcpy(begin.data(), all[i].key.data(), std::min(all[i].key.size(), begin.size()));
    places[i].index = i;
    for (const std::uint8_t byte : begin) places[i].begin = places[i].begin << 8 | byte;
  }
  std::ranges::sort(places, [&](const Place& a, const Place& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    const auto order = as_text(all[a.index].key) <=> as_text(all[b.index].key);
    return order != 0 ? order < 0 : a.index < b.index;
  });
  Records sorted;
  sorted.reserve(all.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    if (i + 1 == places.size() ||
        as_text(all[places[i].index].key) != as_text(all[places[i + 1].index].key))
      sorted.push_back(all[places[i].index]);
  return sorted;
}

}  // namespace

struct Store::ReplayBatch {
  struct Frame {
    Bytes records;
    Wal::Cut cut;  // behind it
  };
  Buffer buffer;
  std::size_t bytes = 0;
  std::vector<Frame> frames;

  bool has_room(std::size_t more) const { return frames.empty() || bytes + more <= kBatchBytes; }
  void add(Bytes records, const Wal::Cut& cut) {
    static_assert(kBatchBytes >= kFrameBytesMax);
    if (!buffer) buffer = Buffer::take(kBatchBytes);
    std::memcpy(buffer.data() + bytes, records.data(), records.size());
    frames.push_back({.records = Bytes(buffer.data() + bytes, records.size()), .cut = cut});
    bytes += records.size();
  }
  Bytes all() const { return buffer.bytes().first(bytes); }
  void clear() {
    bytes = 0;
    frames.clear();
  }
};

Result<> Store::replay(WalReader& reader) {
  ReplayBatch batch;
  for (WalReader::Frame frame;;) {
    VEXFS_TRY(const bool more, reader.next(frame));
    if (!more || !batch.has_room(frame.records.size())) {
      if (const Result<> replayed = replay_batch(batch); !replayed) {
        log(Level::error, "wal", "the log cannot be replayed",
            {{"behind_lsn", static_cast<std::uint64_t>(replayed_.lsn)},
             {"cause", replayed.error().what}});
        return replayed;
      }
      batch.clear();
    }
    if (!more) return {};
    batch.add(frame.records, {.lsn = reader.last_lsn(), .position = reader.position()});
  }
}

Result<> Store::replay_batch(const ReplayBatch& batch) {
  if (batch.frames.empty()) return {};
  Result<> replayed = replay_pairs(batch.all(), Bounded::yes);
  if (replayed) {
    VEXFS_CHECK(replay_space(batch.all()));
    replayed_ = batch.frames.back().cut;
  } else if (replayed.error().code == ENOSPC && !options_.read_only) {
    // What the log before these frames let go becomes free with a checkpoint; then in steps as
    // small as can be, each of which may free more.
    for (const ReplayBatch::Frame& frame : batch.frames) {
      replayed = replay_pairs(frame.records, Bounded::no);
      if (!replayed && replayed.error().code == ENOSPC) {
        VEXFS_CHECK(run_checkpoint(false));
        replayed = replay_pairs(frame.records, Bounded::no);
      }
      VEXFS_CHECK(replayed);
      VEXFS_CHECK(replay_space(frame.records));
      replayed_ = frame.cut;
      VEXFS_CHECK(keep_dirty_pages_few());
    }
  } else {
    return replayed;
  }
  return keep_dirty_pages_few();
}

Result<> Store::replay_space(Bytes records) {
  return map_given_ ? Result<>() : apply_space(records);
}

// A read-only volume keeps in memory whatever the log changed.
Result<> Store::keep_dirty_pages_few() {
  if (cache_.dirty_pages.load() <= dirty_pages_max() || options_.read_only) return {};
  return run_checkpoint(false);
}

Result<> Store::replay_pairs(Bytes records, Bounded bounded) {
  std::array<std::vector<TransactionReader::Record>, kTreeCount> pairs;
  TransactionReader reader(records);
  for (TransactionReader::Record record; reader.next(record);) {
    if (record.kind != Kind::put && record.kind != Kind::erase) continue;
    if (record.tree == Tree::free_space || record.tree == Tree::snapshot)
      return fail(EUCLEAN, "wal: a tree of checkpoints");
    pairs[static_cast<unsigned>(record.tree)].push_back(record);
  }
  if (reader.failed()) return fail(EUCLEAN, "wal: records that no transaction wrote");

  std::array<unsigned, kTreeCount> order;  // the longest first, so that all threads end together
  for (unsigned i = 0; i < kTreeCount; ++i) order[i] = i;
  std::ranges::sort(order, std::greater(), [&](unsigned t) { return pairs[t].size(); });
  std::array<Result<>, kTreeCount> outcomes;
  std::atomic<unsigned> next = 0;
  const auto work = [&] {
    for (unsigned i = 0; (i = next++) < kTreeCount;)
      if (!pairs[order[i]].empty())
        outcomes[i] = replay_tree(*trees_[order[i]], pairs[order[i]], bounded);
  };
  std::vector<std::thread> helpers;
  const auto busy = static_cast<unsigned>(
      std::ranges::count_if(pairs, [](const auto& each) { return !each.empty(); }));
  const unsigned threads = std::min({std::thread::hardware_concurrency(), busy, kThreadsMax});
  for (unsigned t = 1; t < threads && records.size() >= kParallelBytesMin; ++t)
    helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  for (const Result<>& outcome : outcomes) VEXFS_CHECK(outcome);
  return {};
}

Result<> Store::replay_tree(BTree& tree, const Records& all, Bounded bounded) {
  const std::vector<TransactionReader::Record> pairs = in_order(all);
  unsigned at_once = kPutsPerPromise;
  PageWait pages;
  for (std::size_t done = 0; done < pairs.size();) {
    // Not above twice what commits are held to: what is put in one batch may touch many pages.
    if (bounded == Bounded::yes && cache_.dirty_pages.load() > 2 * dirty_pages_max() &&
        !options_.read_only)
      return fail(ENOSPC, "volume: too many pages changed at once");
    const std::size_t end = std::min<std::size_t>(pairs.size(), done + at_once);
    PageWait::Missing missing;
    const BTree::Ready ready = replay_some(tree, std::span(pairs).first(end), done, missing);
    if (ready == BTree::Ready::missing) {
      VEXFS_CHECK(pages.load(cache_, missing));
    } else if (ready == BTree::Ready::no_space) {
      // Near the end of the space a smaller promise may still be kept.
      if (at_once == 1) return fail(ENOSPC, "volume: no room to replay the log");
      at_once = 1;
    } else {
      pages = PageWait();
    }
  }
  return {};
}

// Replays pairs from `done` on, which follows, until one waits for a page.
BTree::Ready Store::replay_some(BTree& tree, std::span<const TransactionReader::Record> pairs,
                                std::size_t& done, PageWait::Missing& missing) {
  const SharedLatchWrite latch(tree.latch());
  const std::uint64_t promised = tree.pages_for(pairs.size() - done);
  if (!space_.promise_pages(promised, Claim::freeing)) return BTree::Ready::no_space;
  BTree::Ready ready = BTree::Ready::yes;
  for (; done < pairs.size(); ++done) {
    const TransactionReader::Record& record = pairs[done];
    const bool is_erase = record.kind == Kind::erase;
    ready = tree.prepare(record.key, is_erase, Claim::freeing, missing);
    if (ready != BTree::Ready::yes) break;
    if (!is_erase)
      tree.put(record.key, record.value);
    else if (tree.erase(record.key))
      tree.rebalance(record.key);
  }
  space_.end_promise(promised);
  return ready;
}

}  // namespace vexfs
