// SPDX-License-Identifier: Apache-2.0
// BufferStore: the memory behind the buffer pool: what no thread keeps for itself.
//
//   buffer     in memory   where it is
//   in use     yes         with its owner, or in a thread's cache
//   kept       yes         kept_: handed out first
//   empty      no          empty_: an address only; its pages went back to the kernel
//
// Always: an address belongs to its tier for ever, so nothing is moved and nothing fragments:
// what is given back are the pages below a free buffer. (malloc would put a header before each
// aligned buffer, and every 4 KiB buffer would take 8 KiB.)
// Threads: any.
#pragma once
#include <span>
#include <vector>

#include "base/buffer_pool.h"
#include "base/mutex.h"

namespace vexfs {

class BufferStore {
 public:
  // Never destroyed: thread caches give back to it as late as thread exit.
  static BufferStore& the_one();

  // Fills `into` from one tier; returns how many of them were kept ones. Throws bad_alloc.
  std::size_t take(std::size_t tier, std::span<std::byte*> into);
  void give(std::size_t tier, std::span<std::byte* const> buffers);
  // From now on at most so much of one tier is kept.
  void keep_at_most(std::size_t bytes);
  // Gives the pages of all kept buffers back; how many bytes.
  std::size_t trim();
  // Free and in memory; and all that is in memory, free or not (but for what callers keep).
  std::size_t kept_bytes() const;
  std::size_t held_bytes() const;
  Bytes arena() const { return {arena_, kArenaBytes}; }

 private:
  static constexpr std::size_t kTiers = kBufferTiers.size();
  static constexpr std::size_t kArenaBytes = std::size_t{8} << 20;
  struct Tier {
    std::vector<std::byte*> kept, empty;
    std::size_t in_memory = 0;  // buffers: in use and kept
  };
  BufferStore();
  void grow(std::size_t tier) REQUIRES(mutex_);
  std::size_t trim(std::size_t tier, std::size_t keep) REQUIRES(mutex_);
  bool in_arena(const std::byte* buffer) const {
    return buffer >= arena_ && buffer < arena_ + kArenaBytes;
  }

  mutable Mutex mutex_;
  Tier tiers_[kTiers] GUARDED_BY(mutex_);
  std::size_t kept_bytes_max_ GUARDED_BY(mutex_) = std::size_t{32} << 20;  // per tier
  std::byte* const arena_;
};

}  // namespace vexfs
