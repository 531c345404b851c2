// SPDX-License-Identifier: Apache-2.0
#include "fs/read_ahead.h"

#include <algorithm>
#include <cstring>

#include "base/metrics.h"
#include "fs/node_hold.h"
#include "storage/file_data.h"
#include "storage/io_class.h"

namespace vexfs {

namespace {

constexpr unsigned kThreads = 2;
constexpr std::size_t kPatternsMax = 4096;  // more open files than that read as they like

struct ReadAheadMetrics {
  Counter& read = metrics::counter("vexfs_readahead_read_bytes", "File data read before its time");
  Counter& used = metrics::counter("vexfs_readahead_used_bytes", "Of these, given to a reader");
  Counter& wasted = metrics::counter("vexfs_readahead_wasted_bytes", "Of these, nobody came for");
  Gauge& held = metrics::gauge("vexfs_readahead_held_bytes", "File data that waits for a reader");
};

ReadAheadMetrics& figures() {
  static ReadAheadMetrics all;
  return all;
}

}  // namespace

struct ReadAhead::Chunk {
  enum class State : std::uint8_t { queued, loading, ready, failed };
  std::uint64_t ino = 0, first = 0;
  std::uint32_t blocks = 0;
  std::uint64_t content = 0;  // the generation; constant once it is ready
  Buffer buffer;              // constant once it is ready
  // --- guarded by mutex_
  State state = State::queued;
  bool in_table = true;
  std::size_t used = 0;  // bytes given out
  std::list<ChunkRef>::iterator age;

  std::uint64_t end() const { return first + blocks; }
  std::size_t bytes() const { return std::size_t{blocks} * kBlockBytes; }
};

ReadAhead::ReadAhead(Volume& volume, std::size_t bytes_max)
    : volume_(volume), on_(bytes_max > 0), bytes_max_(bytes_max) {
  if (on_) workers_.emplace("vexfs-ahead", kThreads);
}

ReadAhead::~ReadAhead() {
  stop();
  Lock lock(mutex_);
  while (!by_age_.empty()) take_out(ChunkRef(by_age_.front()));
}

void ReadAhead::stop() {
  workers_.reset();
}

std::size_t ReadAhead::held_bytes() const {
  Lock lock(mutex_);
  return bytes_;
}

void ReadAhead::set_bytes_max(std::size_t bytes) {
  Lock lock(mutex_);
  bytes_max_ = bytes;
  make_room(0);
}

void ReadAhead::take_out(const ChunkRef& chunk) {
  if (!chunk->in_table) return;
  chunk->in_table = false;
  chunks_.erase({chunk->ino, chunk->end() - 1});
  by_age_.erase(chunk->age);
  bytes_ -= chunk->bytes();
  figures().held.add(-static_cast<std::int64_t>(chunk->bytes()));
  if (chunk->state == Chunk::State::ready) figures().wasted.add(chunk->bytes() - chunk->used);
  if (chunk->state == Chunk::State::queued) chunk->state = Chunk::State::failed;
}

// The oldest goes; what is being read does not.
bool ReadAhead::make_room(std::size_t bytes) {
  for (auto it = by_age_.begin(); bytes_ + bytes > bytes_max_ && it != by_age_.end();) {
    const ChunkRef oldest = *it++;
    if (oldest->state != Chunk::State::loading) take_out(oldest);
  }
  return bytes_ + bytes <= bytes_max_;
}

void ReadAhead::note_read(const NodeRef& node, std::uint64_t first, std::uint32_t blocks) {
  if (!workers_ || blocks == 0) return;
  const std::uint64_t file_end = (node->inode.size + kBlockBytes - 1) / kBlockBytes;
  if (file_end <= ReadPattern::kWindowMin) return;
  ReadPattern::Plan plan;
  {
    Lock lock(mutex_);
    if (patterns_.size() >= kPatternsMax) patterns_.erase(patterns_.begin());
    plan = patterns_[static_cast<std::uint64_t>(node->ino)].read(first, blocks);
  }
  for (std::size_t i = 0; i < plan.count; ++i) {
    ReadPattern::Range range = plan.ranges[i];
    if (range.first >= file_end) continue;
    range.blocks =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(range.blocks, file_end - range.first));
    start(node, range);
  }
}

void ReadAhead::start(const NodeRef& node, ReadPattern::Range range) {
  const auto chunk = std::make_shared<Chunk>();
  chunk->ino = static_cast<std::uint64_t>(node->ino);
  chunk->first = range.first;
  chunk->blocks = range.blocks;
  if (add(chunk, node->inode.content))
    workers_->submit([this, ref = node.again(), chunk] { load(ref, chunk); });
}

// False when there is no room, or a part of it is here.
bool ReadAhead::add(const ChunkRef& chunk, std::uint64_t content) {
  Lock lock(mutex_);
  for (;;) {
    // The first one that ends behind its beginning; it must begin behind its end.
    const auto next = chunks_.lower_bound({chunk->ino, chunk->first});
    if (next == chunks_.end() || next->second->ino != chunk->ino ||
        next->second->first >= chunk->end())
      break;
    const ChunkRef there = next->second;
    if (there->state != Chunk::State::ready || there->content == content) return false;
    take_out(there);
  }
  if (!make_room(chunk->bytes())) return false;
  chunks_.emplace(Key{chunk->ino, chunk->end() - 1}, chunk);
  chunk->age = by_age_.insert(by_age_.end(), chunk);
  bytes_ += chunk->bytes();
  figures().held.add(static_cast<std::int64_t>(chunk->bytes()));
  return true;
}

// Whoever calls this has the chunk for himself; it is ready, or gone, afterwards.
bool ReadAhead::fill(const Node& node, const ChunkRef& chunk) {
  bool done = false;
  if (!node.removed && node.pages.next(chunk->first) >= chunk->end()) {
    chunk->buffer = Buffer::take(chunk->bytes());
    chunk->content = node.inode.content;
    done = read_file_blocks(volume_, node.ino, chunk->first, chunk->buffer.bytes(), Wait::allowed)
               .has_value();
  }
  return done;
}

void ReadAhead::end_loading(const ChunkRef& chunk, bool done) {
  Lock lock(mutex_);
  chunk->state = done ? Chunk::State::ready : Chunk::State::failed;
  if (done) figures().read.add(chunk->bytes());
  // The reader will meet the error himself.
  if (!done) take_out(chunk);
  loaded_.notify_all();
}

void ReadAhead::load(const NodeRef& node, const ChunkRef& chunk) {
  {
    Lock lock(mutex_);
    if (chunk->state != Chunk::State::queued) return;  // its reader was here first, or nobody is
    chunk->state = Chunk::State::loading;
  }
  const IoClassScope scope(IoClass::background);
  // Whoever waits for this chunk may hold the lock, with a writer queued behind him: only try.
  const auto hold = ReadHold::take(volume_, *node, Wait::never);
  end_loading(chunk, hold && fill(*node, chunk));
}

// The chunk with this block, ready; none without one. Loads it when no worker has begun to.
Result<ReadAhead::ChunkRef> ReadAhead::find(const Node& node, std::uint64_t block, Wait wait) {
  const auto ino = static_cast<std::uint64_t>(node.ino);
  ChunkRef chunk;
  {
    Lock lock(mutex_);
    const auto found = chunks_.lower_bound({ino, block});
    if (found == chunks_.end() || found->second->ino != ino || found->second->first > block)
      return ChunkRef();
    chunk = found->second;
    const bool here = chunk->state == Chunk::State::ready;
    if (!here && wait == Wait::never) return fail(EAGAIN, "read_ahead: on its way");
    if (here && chunk->content != node.inode.content) {
      take_out(chunk);
      return ChunkRef();
    }
    if (here) return chunk;
    if (chunk->state == Chunk::State::loading) {
      while (chunk->state == Chunk::State::loading) loaded_.wait(mutex_);
      // The caller's lock on the file was there before it was ready, or its loader's was.
      const bool good = chunk->state == Chunk::State::ready && chunk->content == node.inode.content;
      return good ? chunk : ChunkRef();
    }
    chunk->state = Chunk::State::loading;
  }
  const bool done = fill(node, chunk);
  end_loading(chunk, done);
  return done ? chunk : ChunkRef();
}

Result<std::size_t> ReadAhead::copy(const Node& node, std::uint64_t offset, MutableBytes into,
                                    Wait wait) {
  if (!on_) return 0;
  VEXFS_TRY(const ChunkRef chunk, find(node, offset / kBlockBytes, wait));
  if (!chunk) return 0;
  const std::size_t from = offset - chunk->first * kBlockBytes;
  const std::size_t bytes = std::min(into.size(), chunk->bytes() - from);
  std::memcpy(into.data(), chunk->buffer.data() + from, bytes);
  Lock lock(mutex_);
  const std::size_t fresh = std::min(bytes, chunk->bytes() - chunk->used);
  figures().used.add(chunk->in_table ? fresh : 0);
  chunk->used += fresh;
  if (chunk->used == chunk->bytes()) take_out(chunk);
  return bytes;
}

void ReadAhead::forget(Ino ino) {
  if (!on_) return;
  const auto number = static_cast<std::uint64_t>(ino);
  Lock lock(mutex_);
  patterns_.erase(number);
  for (auto it = chunks_.lower_bound({number, 0});
       it != chunks_.end() && it->second->ino == number;) {
    const ChunkRef chunk = (it++)->second;
    if (chunk->state != Chunk::State::loading) take_out(chunk);
  }
}

}  // namespace vexfs
